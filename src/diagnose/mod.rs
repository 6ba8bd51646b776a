//! From frames to findings. Pure.
