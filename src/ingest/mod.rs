//! What others push to us. It is checked and stored, and answered at once; the work is done by jobs.

pub mod stripe;
