//! State, actions and keys.
