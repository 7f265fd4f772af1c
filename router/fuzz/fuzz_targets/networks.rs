//! See `slipway_router::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| slipway_router::fuzz::run(env!("CARGO_BIN_NAME"), input));
