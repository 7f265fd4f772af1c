//! `buildpacks:add`, `buildpacks:set`, `buildpacks:remove`, `buildpacks:clear`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::buildpacks::{chosen, keep, show_changed};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::buildpack::BuildpackReference;
use crate::model::role::Role;

/// More is no list that somebody wrote.
const MOST: usize = 100;

/// Adds a buildpack to those that build an app: behind the others, or at a position
#[derive(Debug, Args)]
pub struct Add {
    /// Its position, counted from 1
    #[arg(long, value_name = "POSITION")]
    index: Option<usize>,
    /// The app
    app: String,
    /// A name such as nodejs or heroku/nodejs, an https address of a git repository (with #BRANCH, tag or commit) or of an
    /// archive, or ./PATH in the source
    buildpack: String,
}

/// Sets the buildpack at a position, the first if none is given; with --replace it sets the whole list
#[derive(Debug, Args)]
pub struct Set {
    /// Its position, counted from 1
    #[arg(long, value_name = "POSITION", conflicts_with = "replace")]
    index: Option<usize>,
    /// Put these in the place of all that are there
    #[arg(long)]
    replace: bool,
    /// The app
    app: String,
    /// As for buildpacks:add; several with --replace
    #[arg(required = true)]
    buildpacks: Vec<String>,
}

/// Removes a buildpack from those that build an app
#[derive(Debug, Args)]
pub struct Remove {
    /// Its position, counted from 1, in place of its name
    #[arg(long, value_name = "POSITION")]
    index: Option<usize>,
    /// The app
    app: String,
    /// As it was added
    buildpack: Option<String>,
}

/// Removes all buildpacks that were chosen for an app, so that what fits is detected again
#[derive(Debug, Args)]
pub struct Clear {
    /// The app
    app: String,
}

impl Command for Add {
    const NAME: &'static str = "buildpacks:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let buildpack = parse(&self.buildpack)?;
        change(&context, |list| {
            check_new(list, &buildpack)?;
            let position = match self.index {
                None => list.len(),
                Some(index) => position(index, list.len() + 1)?,
            };
            list.insert(position, buildpack);
            Ok(())
        })
        .await
    }
}

impl Command for Set {
    const NAME: &'static str = "buildpacks:set";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let new = self.buildpacks.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
        if self.replace {
            return change(&context, |list| {
                list.clear();
                for buildpack in new {
                    check_new(list, &buildpack)?;
                    list.push(buildpack);
                }
                Ok(())
            })
            .await;
        }
        let [buildpack] = new.as_slice() else {
            return Err(CommandError::user("One buildpack has one position")
                .hint("Set the whole list with --replace, or add them one by one: buildpacks:add"));
        };
        change(&context, |list| {
            let position = position(self.index.unwrap_or(1), list.len() + 1)?;
            if list.get(position) != Some(buildpack) {
                check_new(list, buildpack)?;
            }
            list.splice(position..(position + 1).min(list.len()), [buildpack.clone()]);
            Ok(())
        })
        .await
    }
}

impl Command for Remove {
    const NAME: &'static str = "buildpacks:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let name = context.target()?.name.clone();
        let wanted = match (self.index, &self.buildpack) {
            (Some(_), Some(_)) => {
                return Err(CommandError::user("Please choose either index or Buildpack, but not both"));
            }
            (None, None) => {
                let message = "Must specify a buildpack to remove, either by index or URL";
                return Err(
                    CommandError::user(message).hint(format!("See which there are: buildpacks:list {name}"))
                );
            }
            (None, Some(text)) => Some(parse(text)?),
            (Some(_), None) => None,
        };
        change(&context, |list| {
            if list.is_empty() {
                return Err(CommandError::user(format!(
                    "No buildpacks were found, next release on {name} will detect buildpack normally"
                )));
            }
            let position = match &wanted {
                None => position(self.index.unwrap_or_default(), list.len())?,
                Some(wanted) => list.iter().position(|one| one == wanted).ok_or_else(|| {
                    CommandError::user(format!("{wanted} is not among the buildpacks of {name}"))
                        .hint(format!("See which are: buildpacks:list {name}"))
                })?,
            };
            list.remove(position);
            Ok(())
        })
        .await
    }
}

impl Command for Clear {
    const NAME: &'static str = "buildpacks:clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        change(&context, |list| {
            list.clear();
            Ok(())
        })
        .await
    }
}

/// Changes the list, unless what is asked for makes no sense: then nothing has changed.
async fn change(
    context: &Context,
    how: impl FnOnce(&mut Vec<BuildpackReference>) -> Result<(), CommandError> + Send,
) -> CommandResult {
    let record = context.target()?;
    let mut list = chosen(&context.app.store, record.id).await?;
    how(&mut list)?;
    if list.len() > MOST {
        return Err(CommandError::user(format!("More than {MOST} buildpacks make no sense")));
    }
    keep(&context.app.store, record.id, &list).await?;
    show_changed(context.console(), record, &list).await;
    Ok(0)
}

fn parse(text: &str) -> Result<BuildpackReference, CommandError> {
    text.parse().map_err(CommandError::user)
}

fn check_new(list: &[BuildpackReference], buildpack: &BuildpackReference) -> Result<(), CommandError> {
    match list.iter().position(|one| one == buildpack) {
        None => Ok(()),
        Some(place) => {
            let message = format!("{buildpack} is among them already, at position {}", place + 1);
            Err(CommandError::user(message).hint("Remove it first to move it: buildpacks:remove"))
        }
    }
}

/// A position from 1 as one from 0.
fn position(index: usize, count: usize) -> Result<usize, CommandError> {
    index
        .checked_sub(1)
        .filter(|position| *position < count)
        .ok_or_else(|| CommandError::user(format!("Invalid index {index}: write a number from 1 to {count}")))
}
