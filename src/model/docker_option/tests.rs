use super::*;

fn parse(line: &str, phase: Phase) -> Result<Vec<String>, OptionError> {
    let words = [line.to_owned()];
    Ok(DockerOption::parse(&words, phase)?.iter().map(ToString::to_string).collect())
}

fn applied(line: &str) -> ContainerOptions {
    let mut options = ContainerOptions::default();
    for option in DockerOption::parse(&[line.to_owned()], Phase::Deploy).unwrap() {
        option.apply(&mut options).unwrap();
    }
    options
}

#[test]
fn options_are_read_in_every_form_that_docker_takes() {
    let expected = ["--memory 64m", "--env 'A=b c'", "--init"].map(str::to_owned).to_vec();
    for line in
        ["-m 64m -e 'A=b c' --init", "--memory=64m --env='A=b c' --init=true", "-m=64m -eA='b c' --init"]
    {
        assert_eq!(parse(line, Phase::Deploy).as_ref(), Ok(&expected), "{line}");
    }
    let words = ["--memory", "64m", "-e", "A=b c", "--init"].map(str::to_owned);
    let options = DockerOption::parse(&words, Phase::Run).unwrap();
    assert_eq!(options.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    let lines = ["--memory 64m", "-e 'A=b c'", "--init"].map(str::to_owned);
    assert_eq!(DockerOption::parse(&lines, Phase::Run).unwrap(), options);
}

#[test]
fn an_unknown_flag_is_told_which_are_known() {
    let error = parse("--no-such-thing 1", Phase::Deploy).unwrap_err().to_string();
    assert!(error.starts_with("--no-such-thing is not supported\n"), "{error}");
    assert!(error.contains("--ulimit") && !error.contains("--build-arg"), "{error}");
    let error = parse("--squash", Phase::Build).unwrap_err().to_string();
    assert!(error.contains("--build-arg") && !error.contains("--ulimit"), "{error}");
    for (line, phase) in [("--build-arg A=b", Phase::Deploy), ("--ulimit nofile=64", Phase::Build)] {
        assert!(matches!(parse(line, phase), Err(OptionError::Unknown { .. })), "{line}");
    }
}

#[test]
fn what_reaches_the_host_is_refused_with_the_reason() {
    for line in [
        "--privileged",
        "--device /dev/sda",
        "--pid host",
        "--ipc=host",
        "--security-opt seccomp=unconfined",
        "--userns host",
        "--cgroup-parent /",
        "--volumes-from other",
        "-p 80:80",
        "--log-driver none",
        "--restart always",
    ] {
        assert!(matches!(parse(line, Phase::Deploy), Err(OptionError::Refused { .. })), "{line}");
        assert!(matches!(parse(line, Phase::Run), Err(OptionError::Refused { .. })), "{line}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for line in [
        "--memory 5m",
        "--memory much",
        "--cpus 0",
        "--cpu-shares 1",
        "--cpuset-cpus a",
        "--pids-limit -1",
        "--ulimit nofile",
        "--ulimit nofile=2:1",
        "--ulimit rtprio=1",
        "--shm-size 0",
        "--tmpfs /proc",
        "--tmpfs data",
        "--add-host db",
        "--add-host db:here",
        "--dns localhost",
        "--hostname *.a",
        "--add-host '*:192.0.2.1'",
        "--env A",
        "--env 1=2",
        "--label slipway.owner=me",
        "--label com.dokku.app-name=x",
        "--network host",
        "--network container:other",
        "--stop-signal 'a b'",
        "--stop-signal SIGNOPE",
        "--stop-signal 65",
        "--stop-signal 0",
        "--stop-signal RTMIN+16",
        "--workdir here",
        "--sysctl kernel.core_pattern=x",
        "--sysctl net.core.bpf_jit_enable=1",
        "--oom-score-adj -500",
        "--cap-add SYS_ADMIN",
        "--cap-add ALL",
        "--init=false",
        "--volume data",
        "--volume ../x:/y",
        "--mount type=tmpfs,target=/x",
        "--memory",
        "word",
        "'",
        "",
    ] {
        assert!(parse(line, Phase::Deploy).is_err(), "{line}");
    }
    assert!(parse("--build-arg 1A=2", Phase::Build).is_err() && parse("--add-host x", Phase::Build).is_err());
}

#[test]
fn options_become_fields_of_a_request() {
    let options = applied(
        "--memory 64m --memory-swap -1 --cpus 0.5 --pids-limit 100 --ulimit nofile=64:128 --shm-size 1m \
         --tmpfs /cache:size=1m --add-host db:192.0.2.7 --dns 192.0.2.1 -h box -e A=b=c -l x=y --network back \
         --network-alias api --stop-signal SIGQUIT -u 1000:1000 -w /srv --read-only --oom-score-adj 500 \
         --sysctl net.core.somaxconn=64 --cap-add cap_net_raw --cap-drop all --entrypoint /bin/x",
    );
    assert_eq!(options.limits.memory, Some(64 << 20));
    assert_eq!(options.limits.memory_and_swap, Some(crate::model::resource::Swap::Unlimited));
    assert_eq!(options.limits.nano_cpus, Some(500_000_000));
    assert_eq!((options.networks, options.aliases), (vec!["back".to_owned()], vec!["api".to_owned()]));
    let engine = options.engine;
    assert_eq!((engine.ulimits[0].soft, engine.ulimits[0].hard), (64, 128));
    assert_eq!(engine.tmpfs["/cache"], "size=1m");
    assert_eq!(engine.environment["A"], "b=c");
    assert_eq!((engine.user.as_deref(), engine.read_only), (Some("1000:1000"), true));
    assert_eq!(
        (engine.added_capabilities, engine.dropped_capabilities),
        (vec!["NET_RAW".to_owned()], vec!["ALL".to_owned()])
    );
}

#[test]
fn signals_are_read_as_the_engine_reads_them() {
    for signal in ["SIGTERM", "term", "15", "sigusr1", "RTMIN", "SIGRTMIN+3", "RTMAX-14"] {
        let applied = applied(&format!("--stop-signal {signal}"));
        assert_eq!(applied.engine.stop_signal.as_deref(), Some(signal));
    }
}

#[test]
fn mounts_are_read_in_both_forms_and_secrets_are_left_out() {
    let read = |line: &str, phase| DockerOption::parse(&[line.to_owned()], phase).unwrap().remove(0);
    let short = read("-v uploads:/data:ro", Phase::Deploy).as_mount().unwrap().unwrap();
    let long =
        read("--mount type=volume,src=uploads,dst=/data,readonly", Phase::Run).as_mount().unwrap().unwrap();
    assert_eq!(short, long);
    assert_eq!(read("-e TOKEN=abc", Phase::Run).redacted(), "--env TOKEN=***");
    assert_eq!(read("--build-arg TOKEN=abc", Phase::Build).redacted(), "--build-arg TOKEN=***");
    assert_eq!(read("--build-arg TOKEN", Phase::Build).as_build_argument(), Some(("TOKEN", None)));
}
