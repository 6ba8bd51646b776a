//! Screens and sessions in the formats of other tools.
