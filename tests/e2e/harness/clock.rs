//! A server's own clock, which a test can set while it runs. No other process notices.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::process::run;

/// Stands between the server and the C library. Clocks that only measure, and cannot be set, stay as they are.
const SHIM: &str = r"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    char text[32] = {0};
    const char *path = getenv(`CLOCK_SHIFT`);
    int before = errno, file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
        close(file);
    }
    errno = before;
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += shift();
    return result;
}
";

/// The clock. It is right until it is set.
#[derive(Debug)]
pub struct Clock {
    directory: TempDir,
}

impl Clock {
    /// Makes it; servers use it that have its variables in their environment.
    pub fn new() -> Self {
        let clock = Self { directory: tempfile::tempdir().unwrap() };
        clock.jump_to(0);
        let source = clock.directory.path().join("shim.c");
        fs::write(&source, SHIM.replace('`', "\"")).unwrap();
        // Whatever links Rust's binaries is there.
        run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(clock.library()).arg(source)).success();
        clock
    }

    /// What a process needs to go by this clock.
    pub fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("LD_PRELOAD", self.library()), ("CLOCK_SHIFT", self.shift())]
    }

    /// Sets it to so many seconds ahead of the right time, or behind it.
    pub fn jump_to(&self, seconds: i64) {
        // Renamed, so that nobody reads half a number.
        let new = self.directory.path().join("new");
        fs::write(&new, seconds.to_string()).unwrap();
        fs::rename(new, self.shift()).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("shim.so")
    }

    fn shift(&self) -> PathBuf {
        self.directory.path().join("shift")
    }
}
