//! The tests of the whole: one binary, so that they link once.

// Under `cfg(test)` clippy lets helpers unwrap as it does tests.
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod process;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tidy;
