//! Asking buildpacks whether a source is theirs, without building it.

use crate::build::buildpacks::container::{self, Ended, Order};
use crate::build::buildpacks::hints::Hint;
use crate::build::buildpacks::plan::{Plan, Whence};
use crate::build::buildpacks::{BuildpacksError, stack};
use crate::build::{BuildOrder, BuildStageError, source};
use crate::git::tree::Snapshot;

/// What one of them says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name or address.
    pub name: String,
    /// Whether the source is its kind.
    pub fits: bool,
    /// What it found, or looked for and did not find.
    pub said: String,
}

/// What all of them say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Who chose them: then all of them build, one after the other; else the first that fits.
    pub whence: Whence,
    /// Each of them, in the order in which they are asked.
    pub candidates: Vec<Candidate>,
}

/// Asks all that would be asked, and more: those behind the first that fits, too.
pub async fn ask(order: &BuildOrder<'_>, snapshot: &Snapshot) -> Result<Answers, BuildStageError> {
    let snapshot = source::with_submodules(order, snapshot).await?;
    let mut plan = Plan::of(order, &snapshot).await?;
    plan.only_asks = true;
    let stack = stack::ensure(order).await?;
    let hint = Hint::new(&stack);
    let order = Order { order, snapshot: &snapshot, plan: &plan, hint: &hint };
    match container::run(order).await? {
        Ended::Asked(candidates) => Ok(Answers { whence: plan.whence, candidates }),
        Ended::Built(_) | Ended::NeedsPackages { .. } => Err(BuildpacksError::Unusable.into()),
    }
}

impl Answers {
    /// The names of those that would build it.
    pub fn builders(&self) -> Vec<&str> {
        let names = self.candidates.iter().filter(|one| self.whence != Whence::Nobody || one.fits);
        let most = if self.whence == Whence::Nobody { 1 } else { usize::MAX };
        names.take(most).map(|one| one.name.as_str()).collect()
    }

    /// Why none would, if so: of those that were chosen the first has to say yes.
    pub fn refused(&self) -> bool {
        match self.whence {
            Whence::Nobody => !self.candidates.iter().any(|one| one.fits),
            _ => self.candidates.first().is_none_or(|first| !first.fits),
        }
    }
}

/// Reads the driver's list.
pub fn candidates(text: &str) -> Vec<Candidate> {
    let read = |line: &str| {
        let mut fields = line.split('\t');
        let (name, status, said) = (fields.next()?, fields.next()?, fields.next()?);
        let said = said.trim_end_matches(['.', ' ', ';']).to_owned();
        Some(Candidate { name: name.to_owned(), fits: status == "0", said })
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_builds_unless_somebody_chose() {
        let asked = candidates("ruby\t1\tno Gemfile; \nnodejs\t0\tNode.js\nprocfile\t0\tProcfile\nbroken\n");
        assert_eq!(asked[0].said, "no Gemfile");
        let of = |whence| Answers { whence, candidates: asked.clone() };
        assert_eq!(of(Whence::Nobody).builders(), ["nodejs"]);
        assert!(!of(Whence::Nobody).refused());
        assert_eq!(of(Whence::List).builders(), ["ruby", "nodejs", "procfile"]);
        assert!(of(Whence::List).refused());
    }
}
