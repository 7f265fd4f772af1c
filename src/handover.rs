//! How one server hands over to the next: what they say to each other, and the sockets that go with it.
//!
//! The two share one stream, which the old server makes before it starts the new one. It outlives the hand-over: for
//! as long as the old server has connections, the new one asks it to wait for them where an instance is to end, and
//! each learns of the other's end by the stream's. Knows nothing of apps and of the database.

pub mod channel;
pub mod message;
pub mod notify;
pub mod predecessors;
