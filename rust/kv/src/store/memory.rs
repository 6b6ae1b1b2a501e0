//! How much memory there is.

use std::fs;

/// Bytes that could be had without swapping, and that the control group leaves; `None` where the system does not say.
pub fn available_memory() -> Option<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let available = of_meminfo(&meminfo)?;
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let used = fs::read_to_string("/sys/fs/cgroup/memory.current").ok();
    let left = limit.zip(used).and_then(|(limit, used)| {
        let limit: usize = limit.trim().parse().ok()?;
        let used: usize = used.trim().parse().ok()?;
        Some(limit.saturating_sub(used))
    });
    Some(left.map_or(available, |left| left.min(available)))
}

fn of_meminfo(text: &str) -> Option<usize> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::of_meminfo;

    #[test]
    fn available_memory_is_the_line_of_that_name() {
        let text = "MemTotal:       24000 kB\nMemFree: 1 kB\nMemAvailable:   12345 kB\n";

        assert_eq!(of_meminfo(text), Some(12_345 * 1024));
        assert_eq!(of_meminfo("MemFree: 1 kB\n"), None);
    }
}
