//! How often the kernel has ended a process for want of memory, on the whole host.
//!
//! The engine tells of that for its containers, but not on every kernel: version 20.10 hears nothing where the old
//! control groups are without their notices. A container that is killed just when this number grows was the one.

/// The number since the host was started; `None` where the kernel does not count (before Linux 4.13).
pub async fn kills() -> Option<u64> {
    parse(&tokio::fs::read_to_string("/proc/vmstat").await.ok()?)
}

fn parse(statistics: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    statistics.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_among_the_others() {
        assert_eq!(parse("nr_free_pages 1\noom_kill 12\nnuma_hit 3\n"), Some(12));
        assert_eq!(parse("nr_free_pages 1\n"), None);
    }
}
