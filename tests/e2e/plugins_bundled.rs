//! The plugins that come with Slipway and are no engines.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::log_host::{LogHost, Protocol};
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_deploy_is_told_to_webhooks_and_the_message_is_signed() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("told");
    let receiver = LogHost::start(Protocol::Http, None);
    let channel = LogHost::start(Protocol::Http, None);
    server.ssh(&alice, &format!("apps:create {app}")).success();
    for (plugin, key, value) in [
        ("http-notify", "WEBHOOK_URL", format!("http://127.0.0.1:{}/hook", receiver.port())),
        ("http-notify", "WEBHOOK_SECRET", format!("whsec_{}", STANDARD.encode("a secret of ours"))),
        ("slack-notify", "SLACK_URL", format!("http://127.0.0.1:{}/services/T0/B0", channel.port())),
    ] {
        server.ssh(&alice, &format!("plugin:set --for {app} {plugin} {key} {value}")).success();
    }

    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();

    let message = receiver.wait_for("post-deploy", SOON);
    let event: serde_json::Value = serde_json::from_str(message.trim()).unwrap();
    assert_eq!(event["app"], app.as_str());
    assert_eq!(event["release"], "v1");
    let heads = receiver.heads().to_ascii_lowercase();
    // Base64 has capitals, so the signature is looked for in the text as it came.
    let header = |name: &str| {
        let start = heads.rfind(&format!("{name}: ")).unwrap() + name.len() + 2;
        receiver.heads()[start..].lines().next().unwrap().trim().to_owned()
    };
    let signed = format!("{}.{}.{message}\n", header("webhook-id"), header("webhook-timestamp"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of ours");
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(header("webhook-signature"), format!("v1,{signature}"), "{message:?}");

    let line = channel.wait_for("is live", SOON);
    assert!(line.contains(&format!(r#"{{"text":"*{app}*: v1 is live"}}"#)), "{line}");
}

#[test]
fn a_branch_gets_an_app_with_a_service_and_both_go_with_it() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("main");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let url = server.git_url(&app);
    let push = |what: &str| repo.git_as(&alice, &["push", &url, what]);

    torture::commit_version(&repo, "2");
    let refused = push("HEAD:refs/heads/idea");
    assert!(refused.code != 0 && refused.stderr.contains("only idea was pushed"), "{}", refused.stderr);

    server.ssh(&alice, &format!("config:set --no-restart {app} TEST_KEY=shared OTHER_KEY=kept")).success();
    server.ssh(&alice, &format!("review-apps:enable {app} redis TEST_KEY")).success();
    let pushed = push("HEAD:refs/heads/idea").success();
    let review = format!("{app}-idea");
    assert!(pushed.stderr.contains("[review-apps] =====> Application deployed"), "{}", pushed.stderr);
    assert!(server.get(&review, "/instance").text().contains("\nversion 2\n"));
    assert!(server.get(&app, "/instance").text().contains("\nversion 1\n"));
    let config = server.ssh(&alice, &format!("config:show {review}")).success().stdout;
    assert!(
        config.contains("shared") && config.contains("REDIS_URL") && !config.contains("kept"),
        "{config}"
    );
    let listed = server.ssh(&alice, &format!("review-apps:list {app}")).success().stdout;
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), [review.as_str(), "idea"]);

    // Another push of it goes to the same app.
    torture::commit_version(&repo, "3");
    push("HEAD:refs/heads/idea").success();
    assert!(server.get(&review, "/instance").text().contains("\nversion 3\n"));

    push(":idea").success();
    let apps = server.ssh(&alice, "apps:list").success().stdout;
    assert!(apps.contains(&app) && !apps.contains(&review), "{apps}");
    assert!(!server.ssh(&alice, "redis:list").stdout.contains(&review));
    server.ssh(&alice, &format!("review-apps:disable {app}")).success();
    assert!(push("HEAD:refs/heads/idea").code != 0);
}
