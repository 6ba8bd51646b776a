//! What was, for plots: rings of points with gaps. Pure.
