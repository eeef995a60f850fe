//! The simulator in the page.
