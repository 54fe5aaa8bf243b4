//! One line of the access log, in either form.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::HeaderValue;
use overspill_edge::AccessRecord;
use overspill_governance::time::Date;

use crate::config::value::{AccessFormat, Addresses};

/// Writes the line of one record.
pub(super) fn write(out: &mut dyn Write, format: AccessFormat, addresses: Addresses, record: &AccessRecord) -> io::Result<()> {
    let visitor = match addresses {
        Addresses::Full => record.visitor,
        Addresses::Truncated => truncated(record.visitor),
    };
    match format {
        AccessFormat::Combined => combined(out, visitor, record),
        AccessFormat::Json => json(out, visitor, record),
    }
}

/// Apache's "combined" format, which every log analyser reads.
fn combined(out: &mut dyn Write, visitor: IpAddr, record: &AccessRecord) -> io::Result<()> {
    write!(out, "{visitor} - - [{}] \"", apache_date(record.date))?;
    quoted(out, record.method.as_str().as_bytes())?;
    out.write_all(b" ")?;
    quoted(out, record.target.to_string().as_bytes())?;
    write!(out, " {:?}\" {} {} \"", record.version, record.status.as_u16(), record.bytes)?;
    field(out, record.referer.as_ref())?;
    out.write_all(b"\" \"")?;
    field(out, record.user_agent.as_ref())?;
    out.write_all(b"\"\n")
}

fn field(out: &mut dyn Write, value: Option<&HeaderValue>) -> io::Result<()> {
    match value {
        Some(value) => quoted(out, value.as_bytes()),
        None => out.write_all(b"-"),
    }
}

/// Escapes as Apache does: whoever reads the log must not be fooled by what a visitor sends.
fn quoted(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.write_all(&[b'\\', *byte])?,
            0x20..0x7f => out.write_all(&[*byte])?,
            _ => write!(out, "\\x{byte:02x}")?,
        }
    }
    Ok(())
}

fn json(out: &mut dyn Write, visitor: IpAddr, record: &AccessRecord) -> io::Result<()> {
    let text = |value: &Option<HeaderValue>| value.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let line = serde_json::json!({
        "date": record.date.to_string(),
        "date_ms": record.date.as_millis(),
        "visitor": visitor.to_string(),
        "method": record.method.as_str(),
        "target": record.target.to_string(),
        "protocol": format!("{:?}", record.version),
        "host": text(&record.host),
        "status": record.status.as_u16(),
        "bytes": record.bytes,
        "duration_us": u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
        "cache": record.cache.as_str(),
        "class": record.class.as_str(),
        "complete": record.complete,
        "referer": text(&record.referer),
        "user_agent": text(&record.user_agent),
    });
    writeln!(out, "{line}")
}

/// As the Matomo and Google recommendations have it: a network, not a person.
fn truncated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => truncated(mapped.into()),
            None => {
                let [a, b, c, ..] = address.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        },
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `22/Nov/2026:00:00:00 +0000`, from the RFC 3339 text of the date.
fn apache_date(date: Date) -> String {
    let text = date.to_string();
    let parts = text.split_once('T').and_then(|(day, time)| {
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{day}/{month}/{year}:{} +0000", time.trim_end_matches('Z')))
    });
    parts.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, StatusCode, Version};
    use overspill_edge::{CacheUse, RequestClass};
    use std::time::Duration;

    fn record() -> AccessRecord {
        AccessRecord {
            date: Date::from_millis(1_795_305_600_123),
            visitor: "203.0.113.77".parse().unwrap(),
            method: Method::GET,
            target: "/a?b=%22".parse().unwrap(),
            version: Version::HTTP_11,
            host: Some(HeaderValue::from_static("blog.example")),
            referer: None,
            user_agent: Some(HeaderValue::from_bytes(b"evil\" \\ \xff").unwrap()),
            status: StatusCode::OK,
            bytes: 512,
            duration: Duration::from_millis(3),
            cache: CacheUse::Hit,
            class: RequestClass::Preview,
            complete: true,
        }
    }

    fn line(format: AccessFormat, addresses: Addresses, record: &AccessRecord) -> String {
        let mut out = Vec::new();
        write(&mut out, format, addresses, record).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_combined_form_is_apaches() {
        let expected = "203.0.113.77 - - [22/Nov/2026:00:00:00 +0000] \"GET /a?b=%22 HTTP/1.1\" 200 512 \"-\" \"evil\\\" \\\\ \\xff\"\n";
        assert_eq!(line(AccessFormat::Combined, Addresses::Full, &record()), expected);
    }

    #[test]
    fn the_json_form_is_one_object_in_one_line() {
        let text = line(AccessFormat::Json, Addresses::Full, &record());
        assert_eq!(text.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (value["status"].as_u64(), value["cache"].as_str(), value["class"].as_str(), value["date"].as_str()),
            (Some(200), Some("hit"), Some("preview"), Some("2026-11-22T00:00:00Z"))
        );
    }

    #[test]
    fn truncated_addresses_name_a_network() {
        let of = |text: &str| {
            let record = AccessRecord { visitor: text.parse().unwrap(), ..record() };
            line(AccessFormat::Combined, Addresses::Truncated, &record).split(' ').next().unwrap().to_owned()
        };
        assert_eq!(of("203.0.113.77"), "203.0.113.0");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
        assert_eq!(of("::ffff:203.0.113.77"), "203.0.113.0");
    }
}
