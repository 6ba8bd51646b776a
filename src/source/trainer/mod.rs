//! Training jobs, found without being told.
