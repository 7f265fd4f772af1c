//! `ENGINE:backup-schedule`, `ENGINE:backup-schedule-cat`, `ENGINE:backup-unschedule` and `ENGINE:backup-retention`.

use clap::Args;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::backup::allow;
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::cron_schedule::CronSchedule;
use crate::model::role::Role;
use crate::services::backup_plan;
use crate::services::dump;

/// Has backups of a service made by the clock
#[derive(Debug, Args)]
pub struct BackupSchedule {
    /// Reach the bucket as the machine itself may, without a key
    #[arg(short, long)]
    use_iam: bool,
    /// The service
    service: String,
    /// When, in cron's five fields: "0 3 * * *"; or @daily
    schedule: String,
    /// A bucket (backups, s3://backups/prefix) or a directory of the host (/mnt/backups)
    destination: String,
}

impl Command for BackupSchedule {
    const NAME: &'static str = "service:backup-schedule";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let schedule: CronSchedule = self
            .schedule
            .parse()
            .map_err(|error| CommandError::user(format!("{}: {error}", self.schedule)))?;
        let destination = backup_plan::parse(&self.destination)?;
        allow(&context, &destination)?;
        let (_lease, service) = hold(&context).await?;
        dump::dump_of(&service)?;
        let (store, id) = (&context.app.store, service.record.id);
        let mut record = store.backup_record(id).await?;
        if self.use_iam {
            record.access = None;
        }
        record.schedule = Some(schedule.to_string());
        record.destination = Some(destination.to_string());
        record.accounted = Some(clock::unix_seconds());
        store.set_backup_record(id, record).await?;
        let what = format!("backups scheduled: {schedule} to {destination}");
        store.note_service_event(id, &context.caller.name, what).await?;
        let console = context.console();
        console
            .step(format!("Backups of {} are made at {schedule}, to {destination}", service.record.name))
            .await;
        let (engine, name) = (&service.record.engine, &service.record.name);
        console.detail(format!("See whether that works: {engine}:backup {name}")).await;
        Ok(0)
    }
}

/// Shows when and where backups of a service are made, as a line of cron's
#[derive(Debug, Args)]
pub struct BackupScheduleCat {
    /// The service
    service: String,
}

impl Command for BackupScheduleCat {
    const NAME: &'static str = "service:backup-schedule-cat";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        let (engine, name) = (&service.record.engine, &service.record.name);
        let record = context.app.store.backup_record(service.record.id).await?;
        let (Some(schedule), Some(destination)) = (record.schedule, record.destination) else {
            return Err(CommandError::user(format!("No backups of {service} are scheduled"))
                .hint(format!("Schedule them: {engine}:backup-schedule {name} \"0 3 * * *\" BUCKET")));
        };
        context.console().line(format!("{schedule} {engine}:backup {name} {destination}")).await;
        Ok(0)
    }
}

/// Makes no more backups of a service by the clock
#[derive(Debug, Args)]
pub struct BackupUnschedule {
    /// The service
    service: String,
}

impl Command for BackupUnschedule {
    const NAME: &'static str = "service:backup-unschedule";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        let (store, id) = (&context.app.store, service.record.id);
        let mut record = store.backup_record(id).await?;
        record.schedule = None;
        store.set_backup_record(id, record).await?;
        store.note_service_event(id, &context.caller.name, "backups unscheduled").await?;
        context.console().step(format!("No more backups of {} by the clock", service.record.name)).await;
        Ok(0)
    }
}

/// Sets how many backups of a service are kept, and for how long; shows it without a flag
#[derive(Debug, Args)]
pub struct BackupRetention {
    /// At most so many; 0 is no limit
    #[arg(long)]
    count: Option<u32>,
    /// None older than so many days; 0 is no limit
    #[arg(long)]
    days: Option<u32>,
    /// The service
    service: String,
}

impl Command for BackupRetention {
    const NAME: &'static str = "service:backup-retention";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        dump::dump_of(&service)?;
        let (store, id) = (&context.app.store, service.record.id);
        let mut record = store.backup_record(id).await?;
        let limit = |given: Option<u32>, now: Option<u32>| match given {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => now,
        };
        record.keep_count = limit(self.count, record.keep_count);
        record.keep_days = limit(self.days, record.keep_days);
        let or_all = |limit: Option<u32>| limit.map_or("all".to_owned(), |limit| limit.to_string());
        let (count, days) = (or_all(record.keep_count), or_all(record.keep_days));
        if self.count.is_some() || self.days.is_some() {
            store.set_backup_record(id, record).await?;
            let what = format!("backups kept: count {count}, days {days}");
            store.note_service_event(id, &context.caller.name, what).await?;
        }
        context.console().line(format!("Count: {count}")).await;
        context.console().line(format!("Days:  {days}")).await;
        Ok(0)
    }
}
