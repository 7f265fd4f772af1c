//! Whether an app is kept out of a network.

/// Fails if something is reached that should be out of reach.
///
/// Whenever anybody makes a network, engine 20.10 takes the jump to its isolation rules out of the FORWARD chain and puts
/// it back at the top, so that for a moment there is none. Other tests make networks all the time: one attempt may come
/// through, and the next one must not.
pub fn assert_out_of_reach(what: &str, reaches: impl Fn() -> bool) {
    assert!(!reaches() || !reaches(), "{what} was reached twice");
}
