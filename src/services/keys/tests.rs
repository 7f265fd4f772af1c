//! The names of links, as Dokku chooses them.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::formats::{plugin_toml, service_toml};
use crate::model::service::{ServiceId, ServiceProperties, WantedState};
use crate::plugin::Plugin;
use crate::store::apps::AppId;
use crate::store::services::{ServiceImage, ServiceRecord};

const ENGINE: &str = r#"
[service]
title = "MySQL"
variable = "MYSQL"
alias = "DATABASE"
image = "mysql"
version = "8.4"
ports = [3306]
admin-user = "root"
[link]
scheme = "mysql"
url = "{scheme}://{user}:{password}@{host}:{port}/{database}"
variables = { MYSQL_HOST = "{host}", MYSQL_USER = "{user}" }
[ready]
command = ["true"]
"#;

fn service(id: i64, name: &str) -> Service {
    let engine = Arc::new(service_toml::parse(ENGINE).unwrap());
    let manifest = "[plugin]\nname = \"mysql\"\nversion = \"1\"\ndescription = \"x\"\napi = 1\n";
    let plugin = Plugin {
        name: "mysql".parse().unwrap(),
        folder: PathBuf::new(),
        manifest: plugin_toml::parse(manifest).unwrap(),
        engine: Some(engine.clone()),
        bundled: true,
        user: 65534,
    };
    let name: crate::model::service::ServiceName = name.parse().unwrap();
    let record = ServiceRecord {
        id: ServiceId(id),
        engine: plugin.name.clone(),
        host: name.host(&plugin.name),
        network: "n".to_owned(),
        name,
        image: ServiceImage {
            name: "mysql".to_owned(),
            version: "8.4".to_owned(),
            reference: "mysql:8.4".to_owned(),
            built: false,
        },
        wanted: WantedState::Running,
        container: None,
        data: "data".to_owned(),
        properties: ServiceProperties::new(),
        password: "rootrootroot".parse().unwrap(),
        environment: ConfigVars::new(),
        created_at: 0,
    };
    Service { record, plugin: Arc::new(plugin), engine }
}

fn user(name: &str) -> LinkUser {
    LinkUser { name: name.to_owned(), password: format!("{name}-password").parse().unwrap() }
}

fn unlinked(service: &Service, name: &str) -> ServiceLink {
    ServiceLink {
        service: service.record.id,
        app: AppId(1),
        app_name: "blog".parse().unwrap(),
        user: user(name),
        query: String::new(),
        keys: Vec::new(),
    }
}

fn vars(list: &[(&str, &str)]) -> ConfigVars {
    let pair = |(key, text): &(&str, &str)| (key.parse().unwrap(), value((*text).to_owned()).unwrap());
    list.iter().map(pair).collect()
}

fn shown(vars: &ConfigVars) -> Vec<String> {
    vars.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect()
}

fn apply(config: &mut ConfigVars, change: &VarChange) {
    config.retain(|key, _| !change.unset.contains(key));
    config.extend(change.set.clone());
}

/// Links a service as the command does.
fn linked(service: &Service, name: &str, config: &mut ConfigVars) -> ServiceLink {
    let chosen = choose(service, None, config).unwrap();
    let (link, change) = plan(service, unlinked(service, name), chosen, config).unwrap();
    apply(config, &change);
    link
}

#[test]
fn the_first_link_has_the_plain_name_with_variables_beside_it_and_the_next_a_colour() {
    let mut config = ConfigVars::new();
    linked(&service(1, "db"), "ann", &mut config);
    assert_eq!(
        shown(&config),
        [
            "DATABASE_URL=mysql://ann:ann-password@slipway-mysql-db:3306/db",
            "MYSQL_HOST=slipway-mysql-db",
            "MYSQL_USER=ann"
        ]
    );
    let second = linked(&service(2, "other"), "bob", &mut config);
    assert_eq!(second.keys, ["SLIPWAY_MYSQL_AQUA_URL".parse().unwrap()]);
    let third = linked(&service(3, "third"), "eve", &mut config);
    assert_eq!(third.keys, ["SLIPWAY_MYSQL_BLACK_URL".parse().unwrap()]);
}

#[test]
fn an_alias_is_taken_as_it_is_unless_it_is_in_use() {
    let service = service(1, "db");
    let config = vars(&[("BLUE_DATABASE_URL", "x")]);
    assert_eq!(choose(&service, Some("RED"), &config).unwrap().as_str(), "RED_URL");
    assert!(choose(&service, Some("BLUE_DATABASE"), &config).is_err());
    assert!(choose(&service, Some("no key"), &config).is_err());
}

#[test]
fn the_scheme_and_the_query_string_are_the_apps() {
    let service = service(1, "db");
    let config = vars(&[("MYSQL_DATABASE_SCHEME", "mysql2")]);
    let found = url(&service, &user("ann"), "pool=5", &config).unwrap();
    assert_eq!(found, "mysql2://ann:ann-password@slipway-mysql-db:3306/db?pool=5");
    assert!(url(&service, &user("ann"), "", &vars(&[("MYSQL_DATABASE_SCHEME", "a b")])).is_err());
}

#[test]
fn a_link_takes_its_vars_with_it_and_nothing_that_a_person_set() {
    let service = service(1, "db");
    let mut config = vars(&[("MYSQL_USER", "mine")]);
    let link = linked(&service, "ann", &mut config);
    let url = config.get(&"DATABASE_URL".parse().unwrap()).unwrap().clone();
    config.insert("COPY".parse().unwrap(), url);
    config.extend(vars(&[("MYSQL_HOST", "elsewhere")]));
    let change = removal(&service, &link, &config).unwrap();
    apply(&mut config, &change);
    assert_eq!(shown(&config), ["MYSQL_HOST=elsewhere", "MYSQL_USER=mine"]);
}

#[test]
fn a_link_takes_its_url_with_it_although_the_scheme_is_another_one_by_now() {
    let service = service(1, "db");
    let mut config = ConfigVars::new();
    let link = linked(&service, "ann", &mut config);
    config.extend(vars(&[("MYSQL_DATABASE_SCHEME", "mysql2")]));
    let change = removal(&service, &link, &config).unwrap();
    apply(&mut config, &change);
    assert_eq!(shown(&config), ["MYSQL_DATABASE_SCHEME=mysql2"]);
}

#[test]
fn a_promotion_moves_the_former_one_to_a_colour_and_both_can_still_be_removed() {
    let (one, two) = (service(1, "one"), service(2, "two"));
    let mut config = ConfigVars::new();
    let first = linked(&one, "ann", &mut config);
    let second = linked(&two, "bob", &mut config);
    let before = config.clone();
    let (links, change) = promotion(&two, &second, &[(one.clone(), first)], &config).unwrap();
    apply(&mut config, &change);
    assert_eq!(
        shown(&config),
        [
            "DATABASE_URL=mysql://bob:bob-password@slipway-mysql-two:3306/two",
            "MYSQL_HOST=slipway-mysql-two",
            "MYSQL_USER=bob",
            "SLIPWAY_MYSQL_AQUA_URL=mysql://bob:bob-password@slipway-mysql-two:3306/two",
            "SLIPWAY_MYSQL_BLACK_URL=mysql://ann:ann-password@slipway-mysql-one:3306/one",
        ]
    );
    let [first, second] = links.try_into().unwrap();
    // Back again: the first one's colour stays, and so does the second one's.
    let (back, change) = promotion(&one, &first, &[(two.clone(), second)], &config).unwrap();
    apply(&mut config, &change);
    assert_eq!(config.get(&"DATABASE_URL".parse().unwrap()), before.get(&"DATABASE_URL".parse().unwrap()));
    let [second, first] = back.try_into().unwrap();
    for (service, link) in [(&one, first), (&two, second)] {
        let change = removal(service, &link, &config).unwrap();
        apply(&mut config, &change);
    }
    assert_eq!(shown(&config), Vec::<String>::new());
}

#[test]
fn another_user_is_in_every_var_that_had_the_former_one() {
    let service = service(1, "db");
    let mut config = ConfigVars::new();
    let link = linked(&service, "ann", &mut config);
    let url = config.get(&"DATABASE_URL".parse().unwrap()).unwrap().clone();
    config.insert("COPY".parse().unwrap(), url);
    let change = replacement(&service, &link, &user("bob"), &config).unwrap();
    assert_eq!(
        shown(&change.set),
        [
            "COPY=mysql://bob:bob-password@slipway-mysql-db:3306/db",
            "DATABASE_URL=mysql://bob:bob-password@slipway-mysql-db:3306/db",
            "MYSQL_HOST=slipway-mysql-db",
            "MYSQL_USER=bob"
        ]
    );
    assert!(change.unset.is_empty());
}
