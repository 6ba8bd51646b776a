//! From two samples to a frame: counters become rates. Pure.
