//! The list of all commands. A command that is not here does not exist.

use crate::commands::{
    Entry, apps, builder, builds, config, cron, domains, git, help, keys, logs, ports, ps, releases, run,
    urls, version,
};

/// Every command, in the order in which help shows them.
pub static COMMANDS: &[Entry] = &[
    Entry::of::<apps::create::Create>(),
    Entry::of::<apps::destroy::Destroy>(),
    Entry::of::<apps::exists::Exists>(),
    Entry::of::<apps::list::List>().alias(&["apps"]),
    Entry::of::<apps::lock::Lock>(),
    Entry::of::<apps::lock::Locked>(),
    Entry::of::<apps::lock::Unlock>(),
    Entry::of::<apps::rename::Rename>(),
    Entry::of::<apps::report::Report>(),
    Entry::of::<git::properties::SetApps>(),
    Entry::of::<builder::properties::Report>(),
    Entry::of::<builder::properties::Set>(),
    Entry::of::<builder::properties::ReportDockerfile>(),
    Entry::of::<builder::properties::SetDockerfile>(),
    Entry::of::<builds::cancel::Cancel>(),
    Entry::of::<builds::list::Info>(),
    Entry::of::<builds::list::List>(),
    Entry::of::<builds::output::Output>(),
    Entry::of::<config::unset::Clear>(),
    Entry::of::<config::export::Export>(),
    Entry::of::<config::get::Get>(),
    Entry::of::<config::import::Import>(),
    Entry::of::<config::show::Keys>(),
    Entry::of::<config::set::Set>(),
    Entry::of::<config::show::Show>().alias(&["config"]),
    Entry::of::<config::unset::Unset>(),
    Entry::of::<cron::history::History>(),
    Entry::of::<cron::list::List>(),
    Entry::of::<cron::logs::Logs>(),
    Entry::of::<cron::properties::Report>(),
    Entry::of::<cron::suspend::Resume>(),
    Entry::of::<cron::run::Run>(),
    Entry::of::<cron::properties::Set>(),
    Entry::of::<cron::stop::Stop>(),
    Entry::of::<cron::suspend::Suspend>(),
    Entry::of::<builder::build_args::Add>(),
    Entry::of::<builder::build_args::List>(),
    Entry::of::<builder::build_args::Remove>(),
    Entry::of::<domains::change::Add>(),
    Entry::of::<domains::global::AddGlobal>(),
    Entry::of::<domains::change::Clear>(),
    Entry::of::<domains::global::ClearGlobal>(),
    Entry::of::<domains::change::Disable>(),
    Entry::of::<domains::change::Enable>(),
    Entry::of::<domains::change::Remove>(),
    Entry::of::<domains::global::RemoveGlobal>(),
    Entry::of::<domains::report::Report>(),
    Entry::of::<domains::change::Reset>(),
    Entry::of::<domains::change::Set>(),
    Entry::of::<domains::global::SetGlobal>(),
    Entry::of::<run::enter::Enter>(),
    Entry::of::<git::from_archive::FromArchive>(),
    Entry::of::<git::from_image::FromImage>(),
    Entry::of::<git::from_image::LoadImage>(),
    Entry::of::<git::properties::Report>(),
    Entry::of::<git::properties::Set>(),
    Entry::of::<git::sync::Sync>(),
    Entry::of::<help::Help>().alias(&["--help", "-h"]),
    Entry::of::<logs::Logs>(),
    Entry::of::<ports::change::Add>(),
    Entry::of::<ports::change::Clear>(),
    Entry::of::<ports::list::List>(),
    Entry::of::<ports::change::Remove>(),
    Entry::of::<ports::list::Report>(),
    Entry::of::<ports::change::Set>(),
    Entry::of::<ps::run_state::Rebuild>(),
    Entry::of::<ps::report::Report>(),
    Entry::of::<ps::run_state::Restart>(),
    Entry::of::<ps::scale::Scale>(),
    Entry::of::<ps::run_state::Start>(),
    Entry::of::<ps::run_state::Stop>(),
    Entry::of::<releases::list::List>(),
    Entry::of::<releases::list::Info>(),
    Entry::of::<releases::rollback::Rollback>(),
    Entry::of::<run::interactive::Run>(),
    Entry::of::<run::detached::Detached>(),
    Entry::of::<run::list::List>(),
    Entry::of::<run::logs::Logs>(),
    Entry::of::<run::manage::Retire>(),
    Entry::of::<run::manage::Stop>(),
    Entry::of::<keys::add::Add>(),
    Entry::of::<keys::list::List>(),
    Entry::of::<keys::remove::Remove>(),
    Entry::of::<urls::Url>(),
    Entry::of::<urls::Urls>(),
    Entry::of::<version::Version>().alias(&["--version"]),
    Entry::of::<git::service::ReceivePack>().hide(),
    Entry::of::<git::service::UploadPack>().hide(),
    Entry::of::<git::service::UploadArchive>().hide(),
    Entry::of::<git::pre_receive::PreReceive>().hide(),
];

/// The command of that name, or with that other name.
pub fn find(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// What stands before the colon: `apps` of `apps:create`.
pub fn namespace(name: &str) -> &str {
    name.split_once(':').map_or(name, |(namespace, _)| namespace)
}

/// Whether some command with a colon has that namespace.
pub fn is_namespace(name: &str) -> bool {
    COMMANDS.iter().any(|entry| entry.name.contains(':') && namespace(entry.name) == name)
}
