//! What `resource:limit` and `resource:reserve` set, and what of it a container can have.

use std::fmt;
use std::str::FromStr;

use crate::model::amount::{self, AmountError};
use crate::model::container_options::Limits;

/// The engine starts no container with less memory.
const LEAST_MEMORY: u64 = 6 << 20;
/// The engine's shortest share of its 100 ms periods is 1 ms.
const LEAST_NANO_CPUS: u64 = 10_000_000;
/// The engine's own helper needs some threads to start a process at all.
const LEAST_PIDS: u32 = 16;
/// Linux has no more (`PID_MAX_LIMIT`).
const MOST_PIDS: u32 = 4_194_304;
/// Weight of one core, as Docker (and Kubernetes) count it.
const SHARES_OF_A_CORE: u64 = 1024;
/// The kernel's bounds for weights (cgroup v1, `cpu.shares`).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Something that can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Processor time, in cores.
    Cpu,
    /// Memory.
    Memory,
    /// Memory and swap together.
    MemorySwap,
    /// Processes and threads.
    Pids,
}

/// Whether an amount is the most that may be used, or the least that is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// The most.
    Limit,
    /// The least.
    Reserve,
}

/// An amount that no container can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResourceError {
    /// It is no amount at all.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// Nothing of that kind can be set aside.
    #[error("{0} cannot be reserved, only cpu and memory can")]
    NotReservable(Resource),
    /// Too little memory.
    #[error("{0} of memory is too little: the least that a container can have is 6m")]
    TooLittleMemory(String),
    /// Too little processor time.
    #[error("{0} of a core is too little: the least that a container can have is 0.01")]
    TooLittleCpu(String),
    /// Too many cores to weigh.
    #[error("{0} cores are more than can be reserved: at most 256")]
    TooMuchCpu(String),
    /// A number of processes out of bounds.
    #[error("{0} processes: write a number from {LEAST_PIDS} to {MOST_PIDS}")]
    Pids(String),
    /// Swap without a limit of memory, which the engine refuses.
    #[error("memory-swap needs a limit of memory, too: it is both together")]
    SwapAlone,
    /// Memory and swap together are less than memory.
    #[error("memory-swap is memory and swap together, and so cannot be less than memory")]
    SwapBelowMemory,
    /// More is set aside than may be used.
    #[error("more memory is reserved than the limit of memory allows")]
    ReserveAboveLimit,
}

/// A text that names no resource, or neither a limit nor a reservation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} cannot be limited or reserved")]
pub struct NoSuchResource(String);

impl Resource {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::MemorySwap, Self::Pids];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::MemorySwap => "memory-swap",
            Self::Pids => "pids",
        }
    }

    /// Whether it can be set aside.
    pub fn is_reservable(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory)
    }
}

impl FromStr for Resource {
    type Err = NoSuchResource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|resource| resource.as_str() == text);
        found.ok_or_else(|| NoSuchResource(text.to_owned()))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Bound {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Reserve => "reserve",
        }
    }
}

impl FromStr for Bound {
    type Err = NoSuchResource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Limit, Self::Reserve]
            .into_iter()
            .find(|bound| bound.as_str() == text)
            .ok_or_else(|| NoSuchResource(text.to_owned()))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Limits {
    /// Sets one amount. A number without a unit is megabytes of memory, as in Dokku.
    pub fn set(&mut self, bound: Bound, resource: Resource, text: &str) -> Result<(), ResourceError> {
        match (bound, resource) {
            (Bound::Limit, Resource::Cpu) => self.nano_cpus = Some(cpus(text)?),
            (Bound::Reserve, Resource::Cpu) => {
                let shares = cpus(text)?.saturating_mul(SHARES_OF_A_CORE) / 1_000_000_000;
                let shares = Some(shares).filter(|shares| SHARES.contains(shares));
                let too_much = || ResourceError::TooMuchCpu(text.to_owned());
                self.cpu_shares = Some(shares.ok_or_else(too_much)?);
            }
            (Bound::Limit, Resource::Memory) => self.memory = Some(memory(text)?),
            (Bound::Reserve, Resource::Memory) => self.reserved_memory = Some(memory(text)?),
            (Bound::Limit, Resource::MemorySwap) => {
                self.memory_and_swap = Some(match text {
                    "-1" => Swap::Unlimited,
                    text => Swap::Limit(memory(text)?),
                });
            }
            (Bound::Limit, Resource::Pids) => self.pids = Some(pids(text)?),
            (Bound::Reserve, resource) => return Err(ResourceError::NotReservable(resource)),
        }
        Ok(())
    }

    /// Whether the engine takes all of it together.
    pub fn check(&self) -> Result<(), ResourceError> {
        match (self.memory, self.memory_and_swap) {
            (None, Some(Swap::Limit(_))) => return Err(ResourceError::SwapAlone),
            (Some(memory), Some(Swap::Limit(both))) if both < memory => {
                return Err(ResourceError::SwapBelowMemory);
            }
            _ => {}
        }
        match (self.memory, self.reserved_memory) {
            (Some(limit), Some(reserved)) if reserved > limit => Err(ResourceError::ReserveAboveLimit),
            _ => Ok(()),
        }
    }
}

/// The most of memory and swap together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// So many bytes.
    Limit(u64),
    /// As much swap as there is.
    Unlimited,
}

fn cpus(text: &str) -> Result<u64, ResourceError> {
    let nano_cpus = amount::nano_cpus(text)?;
    if nano_cpus < LEAST_NANO_CPUS {
        Err(ResourceError::TooLittleCpu(text.to_owned()))
    } else {
        Ok(nano_cpus)
    }
}

fn memory(text: &str) -> Result<u64, ResourceError> {
    checked_memory(text, 1 << 20)
}

/// Reads an amount of memory that the engine takes; `plain` as in [`amount::bytes`].
pub fn checked_memory(text: &str, plain: u64) -> Result<u64, ResourceError> {
    let bytes = amount::bytes(text, plain)?;
    if bytes < LEAST_MEMORY { Err(ResourceError::TooLittleMemory(text.to_owned())) } else { Ok(bytes) }
}

/// Reads a number of processes that a container can live with.
pub fn pids(text: &str) -> Result<u32, ResourceError> {
    let number = amount::number(text)?;
    let number = u32::try_from(number).ok().filter(|number| (LEAST_PIDS..=MOST_PIDS).contains(number));
    number.ok_or_else(|| ResourceError::Pids(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bound: Bound, resource: Resource, text: &str) -> Result<Limits, ResourceError> {
        let mut limits = Limits::default();
        limits.set(bound, resource, text).map(|()| limits)
    }

    #[test]
    fn a_plain_number_is_megabytes() {
        let limits = set(Bound::Limit, Resource::Memory, "100").unwrap();
        assert_eq!(limits.memory, Some(100 << 20));
        assert_eq!(limits, set(Bound::Limit, Resource::Memory, "100m").unwrap());
        assert_eq!(set(Bound::Reserve, Resource::Cpu, "0.5").unwrap().cpu_shares, Some(512));
    }

    #[test]
    fn what_the_engine_would_refuse_is_refused_with_the_bound() {
        for (bound, resource, text, named) in [
            (Bound::Limit, Resource::Memory, "5m", "6m"),
            (Bound::Limit, Resource::Memory, "0", "6m"),
            (Bound::Reserve, Resource::Memory, "1k", "6m"),
            (Bound::Limit, Resource::Cpu, "0.001", "0.01"),
            (Bound::Limit, Resource::Cpu, "0", "0.01"),
            (Bound::Reserve, Resource::Cpu, "257", "256"),
            (Bound::Limit, Resource::Pids, "1", "16"),
            (Bound::Limit, Resource::Pids, "5000000", "4194304"),
            (Bound::Reserve, Resource::Pids, "100", "only cpu and memory"),
            (Bound::Limit, Resource::Memory, "-1", "512m"),
        ] {
            let error = set(bound, resource, text).unwrap_err().to_string();
            assert!(error.contains(named), "{resource} {text}: {error}");
        }
    }

    #[test]
    fn amounts_have_to_fit_together() {
        let limits = |pairs: &[(Bound, Resource, &str)]| {
            let mut limits = Limits::default();
            for (bound, resource, text) in pairs {
                limits.set(*bound, *resource, text).unwrap();
            }
            limits.check()
        };
        let memory = (Bound::Limit, Resource::Memory, "100m");
        let swap = |text| (Bound::Limit, Resource::MemorySwap, text);
        assert_eq!(limits(&[memory, swap("100m")]), Ok(()));
        assert_eq!(limits(&[memory, swap("-1")]), Ok(()));
        assert_eq!(limits(&[memory, swap("99m")]), Err(ResourceError::SwapBelowMemory));
        assert_eq!(limits(&[swap("99m")]), Err(ResourceError::SwapAlone));
        let reserve = (Bound::Reserve, Resource::Memory, "101m");
        assert_eq!(limits(&[memory, reserve]), Err(ResourceError::ReserveAboveLimit));
    }
}
