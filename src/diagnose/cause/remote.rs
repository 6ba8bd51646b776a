//! REMOTE-FS: a network filesystem or an object store is slow.

use super::{Case, EXPLAINS, Explained};
use crate::diagnose::about::About;
use crate::diagnose::words;
use crate::model::Cause;

pub(super) static ABOUT: About = About {
    code: Cause::RemoteFs.code(),
    area: Cause::RemoteFs.area(),
    what: "The storage answers slowly: a network filesystem or an object store.",
    when: "Named where waiting for files is 60 % or more of the workers' busy time (STARVED's explains), \
           and the files lie on a network filesystem, or the wait is for a network more than for disks.",
    remedy: "Copy the data to a local disk before the training starts, or read it as large shards \
             (WebDataset, MDS) through a local cache; keep more requests under way with prefetch_factor; \
             on NFS, mount with nconnect= and rsize=1M.",
    source: "the share is a proposal; the kind of the filesystem is read from mountinfo",
    thresholds: &[],
};

pub(super) fn test(case: &Case<'_>) -> Option<Explained> {
    let explains = case.of(&EXPLAINS);
    let fetch = case.fetch().filter(|share| *share >= explains)?;
    let shares = case.shares?;
    let storage = case.trainer.storage.as_ref();
    let remote = storage.filter(|storage| storage.remote);
    if remote.is_none() && shares.net <= shares.disk {
        return None;
    }
    let place = remote.map_or_else(
        || "the network".to_owned(),
        |storage| format!("{} ({})", words::name(&storage.mount), words::name(&storage.filesystem)),
    );
    let waiting = shares.disk + shares.net;
    let because =
        format!("{} {} waiting for {place}", case.workers_spend(), words::percent(waiting));
    let mut evidence = vec![case.worker_share(
        "worker_net_ratio",
        fetch,
        explains,
        &format!("waiting for {place}"),
    )];
    if let Some(read) = case.facts.read.filter(|read| *read > 0.0) {
        evidence.push(words::evidence(
            case.facts.span,
            "procs.read_bytes_per_second",
            case.entity(),
            read,
            None,
            format!("the workers read {}", words::rate(read)),
        ));
    }
    Some(Explained { cause: Cause::RemoteFs, because, advice: ABOUT.remedy.into(), evidence })
}
