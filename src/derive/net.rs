//! Network interfaces.

use super::counter::{rate, rises};
use crate::model::frame::NetRates;
use crate::model::sample::NetSample;

pub(super) fn rates(prev: Option<&NetSample>, now: &NetSample, seconds: f64) -> NetRates {
    let (rx, tx) = rises!(prev, now; rx_bytes_total, tx_bytes_total);
    NetRates {
        interface: now.interface.clone(),
        rx_bytes_per_second: rate(rx, seconds),
        tx_bytes_per_second: rate(tx, seconds),
    }
}
