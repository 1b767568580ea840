//! The tests of the whole: one binary, so that they link once.

mod tidy;
