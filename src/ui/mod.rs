//! Paints a screen: the only user of ratatui.
