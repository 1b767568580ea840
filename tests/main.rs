//! x

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests panic and print like tests do")]

mod chaos;
mod flows;
mod support;
