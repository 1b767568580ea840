//! The tests of the whole: one binary, so that they link once.

// Under `cfg(test)` clippy lets helpers unwrap as it does tests.
#[cfg(test)]
mod process;
#[cfg(test)]
mod tidy;
