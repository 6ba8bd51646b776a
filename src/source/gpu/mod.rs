//! GPUs: a collector process for each driver, abandoned when it hangs.
