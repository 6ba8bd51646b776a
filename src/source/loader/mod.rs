//! Loaders, read from outside.
