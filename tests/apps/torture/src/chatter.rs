//! Prints lines as fast as it is told to.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a line, with its end.
const LENGTH: usize = 100;
/// How often lines are printed. Each of them is a write of its own, as most programs do it.
const INTERVAL: Duration = Duration::from_millis(10);

/// Prints lines 1, 2, 3 and so on, `each_second` of them each second, up to `limit` if there is one.
pub fn print(each_second: u64, limit: Option<u64>) {
    let (began, mut printed) = (Instant::now(), 0);
    let mut output = io::stdout();
    while limit.is_none_or(|limit| printed < limit) {
        let due =
            u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(each_second) / 1000;
        while printed < due.min(limit.unwrap_or(u64::MAX)) {
            printed += 1;
            let line = format!("{:.<width$}\n", format!("chatter {printed} "), width = LENGTH - 1);
            if output.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
        thread::sleep(INTERVAL);
    }
    println!("torture: all {printed} lines are printed");
}
