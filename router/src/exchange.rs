//! One request from its head to the end of its answer, for the log: whatever way it ends, it is logged once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::access_log::AccessRecord;
use crate::address_counts::AddressPlace;
use crate::client::Client;
use crate::fault::Fault;
use crate::memory::Counted;
use crate::metrics::app::AppCounters;
use crate::origin::Origin;
use crate::policy::log::LogFormat;
use crate::request_id::TRACEPARENT;
use crate::table::Route;
use crate::worker::Worker;

/// A request under way. Dropping it writes the record.
#[derive(Debug)]
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    started: Instant,
    origin: Origin,
    /// Where it is counted: at its app, once that is known.
    counted: Option<Counted>,
    /// Whether it is an upgraded connection.
    tunnel: bool,
    /// Taken when it is handed over.
    record: Option<Box<AccessRecord>>,
    /// Its place in the count of its client's requests, where there is a limit. Held for its drop.
    place: Option<AddressPlace>,
}

impl Exchange {
    pub(crate) fn begin(client: &Client, request: &Parts, request_id: &HeaderValue, origin: Origin) -> Self {
        let record = AccessRecord {
            method: request.method.clone(),
            version: request.version,
            host: request.headers.get(header::HOST).cloned(),
            path: request.uri.path_and_query().cloned(),
            request_id: request_id.clone(),
            ..empty_record(origin)
        };
        Self::of(client, origin, record)
    }

    /// Logs a request that hyper refused, of which nothing more is known. `bytes` is the size of the page for it.
    pub(crate) fn refused(client: &Client, fault: Fault, request_id: HeaderValue, bytes: u64) {
        let origin = Origin::direct(client.peer, client.scheme, client.port);
        // Not that it was a GET.
        let method = Method::from_bytes(b"-").unwrap_or_default();
        let record = AccessRecord { method, request_id, bytes, ..empty_record(origin) };
        Self::of(client, origin, record).set_fault(fault);
    }

    fn of(client: &Client, origin: Origin, record: AccessRecord) -> Self {
        let worker = Rc::clone(&client.worker);
        Self {
            worker,
            started: Instant::now(),
            origin,
            counted: None,
            tunnel: false,
            record: Some(Box::new(record)),
            place: None,
        }
    }

    /// Notes whose request it is.
    pub(crate) fn set_route(&mut self, route: &Route, headers: &HeaderMap) {
        self.counted = Some(Counted::new(&route.memory, self.worker.index));
        self.edit(|record| record.app = Some(Arc::clone(&route.app)));
        self.set_format(route.policy.log, headers);
    }

    /// Notes how the app wants it to be written, and what only some forms have.
    fn set_format(&mut self, format: LogFormat, headers: &HeaderMap) {
        self.edit(|record| {
            record.format = format;
            if matches!(format, LogFormat::Json | LogFormat::Combined) {
                record.referer = headers.get(header::REFERER).cloned();
                record.user_agent = headers.get(header::USER_AGENT).cloned();
            }
        });
    }

    /// Notes the trace that the request belongs to, as the instance is told it.
    pub(crate) fn set_trace(&mut self, headers: &HeaderMap) {
        self.edit(|record| {
            if matches!(record.format, LogFormat::Json | LogFormat::Logfmt) {
                record.trace = headers.get(TRACEPARENT).cloned();
            }
        });
    }

    /// Keeps a place in a count until the request's end.
    pub(crate) fn hold(&mut self, place: Option<AddressPlace>) {
        self.place = place;
    }

    /// Hands the request over to whoever sees its end. What is left writes no record.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            worker: Rc::clone(&self.worker),
            started: self.started,
            origin: self.origin,
            counted: self.counted.take(),
            tunnel: self.tunnel,
            record: self.record.take(),
            place: self.place.take(),
        }
    }

    /// Notes where it was sent, and how long connecting took.
    pub(crate) fn set_instance(&mut self, label: &Arc<str>, connect: Duration) {
        self.edit(|record| {
            record.instance = Some(Arc::clone(label));
            record.connect += connect;
        });
    }

    /// Whether its answer has no body, whatever its head says (RFC 9110, section 9.3.2).
    pub(crate) fn is_head(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.method == Method::HEAD)
    }

    /// Notes that it has become an upgraded connection.
    pub(crate) fn set_tunnel(&mut self) {
        self.tunnel = true;
        self.count(|counters| counters.tunnels.begin());
    }

    /// Notes the answer's status.
    pub(crate) fn set_status(&mut self, status: u16) {
        self.edit(|record| record.status = status);
    }

    /// Adds to the answer's bytes.
    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        self.edit(|record| record.bytes += bytes);
    }

    /// Notes what went wrong. The first fault stays, and so does a status that was already sent.
    pub(crate) fn set_fault(&mut self, fault: Fault) {
        self.edit(|record| {
            if record.code.is_none() {
                record.code = Some(fault.code());
                record.description = Some(fault.description());
            }
            if record.status == 0 {
                record.status = fault.status().as_u16();
            }
        });
    }

    /// Who the request is from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// When its head had been read, in milliseconds of Unix time.
    pub(crate) fn began(&self) -> u64 {
        let time = self.record.as_ref().map_or(UNIX_EPOCH, |record| record.time);
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> HeaderValue {
        self.record.as_ref().map_or(HeaderValue::from_static("-"), |record| record.request_id.clone())
    }

    fn count(&self, change: impl FnOnce(&AppCounters)) {
        match &self.counted {
            Some(counted) => counted.edit(change),
            None => change(&self.worker.counters.unrouted),
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut AccessRecord)) {
        if let Some(record) = &mut self.record {
            change(record);
        }
    }
}

fn empty_record(origin: Origin) -> AccessRecord {
    AccessRecord {
        time: SystemTime::now(),
        app: None,
        format: LogFormat::default(),
        trace: None,
        referer: None,
        user_agent: None,
        instance: None,
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: origin.scheme,
        host: None,
        path: None,
        request_id: HeaderValue::from_static("-"),
        client: origin.address,
        connect: Duration::ZERO,
        service: Duration::ZERO,
        status: 0,
        bytes: 0,
        code: None,
        description: None,
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.record.as_ref().is_some_and(|record| record.status == 0) {
            // Nothing was answered and nothing failed: the request was dropped because its client went away.
            self.set_fault(Fault::ClientGone);
        }
        if let Some(mut record) = self.record.take() {
            record.service = self.started.elapsed();
            self.count(|counters| count(&record, counters));
            if self.tunnel {
                self.count(|counters| counters.tunnels.end());
            }
            if record.format != LogFormat::Off {
                self.worker.recorder.record(*record);
            }
        }
    }
}

fn count(record: &AccessRecord, counters: &AppCounters) {
    counters.count(record.status, record.code);
    counters.sent_bytes.add(record.bytes);
    // An upgraded connection lasts as long as somebody looks at a page, which says nothing about the app.
    if record.status != 101 {
        counters.service.observe(record.service);
    }
}
