//! What the kernel says of this process, under the names that Prometheus' own clients use.

use std::fs;

use super::text::{Kind, count, length, single};

/// What the kernel counts processor time in: Linux shows a hundredth of a second to every program.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what can be read; what cannot is absent.
pub(super) fn write(page: &mut String) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        write_times(page, &stat);
    }
    if let Some(resident) = resident() {
        single(page, "process_resident_memory_bytes", "Resident memory.", Kind::Gauge, count(resident));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        single(page, "process_open_fds", "Open file descriptors.", Kind::Gauge, length(open.count()));
    }
    if let Some(most) = most_files() {
        single(page, "process_max_fds", "How many file descriptors may be open.", Kind::Gauge, most);
    }
}

fn write_times(page: &mut String, stat: &str) {
    // The second field is a name in parentheses, which may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let seconds = (user + system) / TICKS_PER_SECOND;
        single(page, "process_cpu_seconds_total", "Processor time, of user and system.", Kind::Counter, seconds);
    }
    if let (Some(threads), help) = (field(20), "Threads.") {
        single(page, "process_threads", help, Kind::Gauge, threads);
    }
    if let (Some(begun), Some(boot)) = (field(22), boot_time()) {
        let help = "When the process began, in seconds since 1970.";
        single(page, "process_start_time_seconds", help, Kind::Gauge, boot + begun / TICKS_PER_SECOND);
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn most_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
