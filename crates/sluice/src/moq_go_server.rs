//! The command line of moq-go-server, for those who ran it before: its flags in the forms that Go
//! takes them, as settings of ours. `docs/moq-go-server.md` is the table for people.
//!
//! A link of that name is a relay with that program's defaults; `sluice relay` takes the flags beside
//! its own, which none of them is named like.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

/// The name under which this program is that one.
pub const PROGRAM: &str = "moq-go-server";

/// A flag of it.
struct Flag {
    name: &'static str,
    /// What it is when it is not given, if that is not our default.
    default: Option<&'static str>,
    /// As arguments of ours. The error says what is wanted.
    translate: fn(&str) -> Result<Vec<String>, String>,
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "listen_addr",
        default: None,
        translate: |text| Ok(vec![format!("--listen={}", listen_address(text)?)]),
    },
    Flag {
        name: "tls_cert",
        default: Some("../certs/certificate.pem"),
        translate: |text| Ok(vec![format!("--tls-cert={text}")]),
    },
    Flag {
        name: "tls_key",
        default: Some("../certs/certificate.key"),
        translate: |text| Ok(vec![format!("--tls-key={text}")]),
    },
    Flag {
        name: "obj_exp_ms",
        default: None,
        translate: |text| Ok(vec![format!("--object-age-max={}ms", milliseconds(text)?)]),
    },
    Flag {
        name: "cache_cleanup_period_ms",
        default: None,
        translate: |text| Ok(vec![format!("--sweep-every={}ms", milliseconds(text)?)]),
    },
    Flag {
        name: "http_conn_time_out_ms",
        default: None,
        translate: |text| match milliseconds(text)? {
            // There it left the library's own default in force; so it does here.
            0 => Ok(Vec::new()),
            every => Ok(vec![
                format!("--keep-alive={every}ms"),
                format!("--idle-timeout={}ms", every.saturating_mul(3)),
            ]),
        },
    },
    Flag {
        name: "moq_origins_config",
        default: None,
        translate: |text| match text {
            "" => Ok(Vec::new()),
            file => Ok(vec![format!("--origins={file}")]),
        },
    },
];

/// The arguments as ours. Those of other commands are left as they are.
///
/// # Errors
/// A flag of moq-go-server without a value, or with one that it does not take.
pub fn translate(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let mut given = arguments.into_iter();
    let Some(program) = given.next() else { return Ok(Vec::new()) };
    let is_link = Path::new(&program).file_stem().is_some_and(|name| name == PROGRAM);
    let mut ours = vec![program];
    if is_link {
        ours.push("relay".into());
    } else {
        match given.next() {
            Some(command) if command == "relay" => ours.push(command),
            other => {
                ours.extend(other);
                ours.extend(given);
                return Ok(ours);
            }
        }
    }
    // Of several the last one counts.
    let mut values: Vec<Option<String>> =
        FLAGS.iter().map(|flag| flag.default.filter(|_| is_link).map(str::to_owned)).collect();
    while let Some(argument) = given.next() {
        match flag_of(&argument) {
            Some((index, Some(value))) => values[index] = Some(value),
            Some((index, None)) => {
                let value = given.next().and_then(|value| value.into_string().ok());
                let name = FLAGS[index].name;
                let value = value.ok_or_else(|| format!("-{name} needs a value: -{name}=VALUE"))?;
                values[index] = Some(value);
            }
            None => ours.push(argument),
        }
    }
    for (flag, value) in FLAGS.iter().zip(values) {
        let Some(value) = value else { continue };
        let translated = (flag.translate)(&value)
            .map_err(|wanted| format!("-{} = {value:?}: expected {wanted}", flag.name))?;
        ours.extend(translated.into_iter().map(OsString::from));
    }
    Ok(ours)
}

/// Which of the flags an argument is, with the value after its equals sign.
fn flag_of(argument: &OsString) -> Option<(usize, Option<String>)> {
    let text = argument.to_str()?;
    let text = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let index = FLAGS.iter().position(|flag| flag.name == name)?;
    Some((index, value))
}

/// Go takes a port alone, and names.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wanted = || "an address and port such as :4433, 127.0.0.1:4433 or [::1]:4433".to_owned();
    let text = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.to_owned(),
    };
    text.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(wanted)
}

fn milliseconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number of milliseconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments = arguments.iter().map(OsString::from).collect();
        let ours = translate(arguments)?;
        Ok(ours.into_iter().map(|argument| argument.into_string().unwrap()).collect())
    }

    #[test]
    fn each_form_of_a_flag_says_the_same() {
        for flag in [
            &["-obj_exp_ms", "5000"][..],
            &["--obj_exp_ms", "5000"],
            &["-obj_exp_ms=5000"],
            &["--obj_exp_ms=5000"],
            &["-obj_exp_ms=1", "-obj_exp_ms=5000"],
        ] {
            let arguments = [&["sluice", "relay"], flag, &["--workers", "2"]].concat();
            assert_eq!(
                translated(&arguments).unwrap(),
                ["sluice", "relay", "--workers", "2", "--object-age-max=5000ms"],
                "{flag:?}"
            );
        }
    }

    #[test]
    fn a_link_named_like_it_is_a_relay_with_its_defaults() {
        let found = translated(&["/usr/bin/moq-go-server", "-listen_addr", ":443"]).unwrap();
        assert_eq!(
            found[1..],
            [
                "relay",
                "--listen=[::]:443",
                "--tls-cert=../certs/certificate.pem",
                "--tls-key=../certs/certificate.key"
            ]
        );
    }

    #[test]
    fn its_timeout_is_a_question_after_it_and_an_end_after_three_times_it() {
        let found = translated(&["sluice", "relay", "-http_conn_time_out_ms", "10000"]).unwrap();
        assert_eq!(found[2..], ["--keep-alive=10000ms", "--idle-timeout=30000ms"]);
    }

    #[test]
    fn a_value_that_it_does_not_take_is_said_with_what_it_takes() {
        assert_eq!(
            translated(&["sluice", "relay", "-obj_exp_ms", "soon"]).unwrap_err(),
            "-obj_exp_ms = \"soon\": expected a whole number of milliseconds"
        );
        assert_eq!(
            translated(&["sluice", "relay", "-tls_key"]).unwrap_err(),
            "-tls_key needs a value: -tls_key=VALUE"
        );
        assert!(translated(&["sluice", "relay", "-listen_addr", "4433"]).is_err());
    }

    #[test]
    fn other_commands_are_left_as_they_are() {
        let arguments = ["sluice", "publish", "-obj_exp_ms", "5"];
        assert_eq!(translated(&arguments).unwrap(), arguments);
    }
}
