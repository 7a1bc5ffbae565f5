//! `fr-mount volumes SOURCE`: what is in a recovery point, without mounting it.

use crate::args::VolumesArgs;
use crate::details;
use crate::exit::Failure;
use crate::job::JobSource;
use crate::output::{Output, ProgressLine, report_text};
use crate::tree;
use std::sync::Mutex;

pub(crate) fn run(args: &VolumesArgs, output: Output) -> Result<(), Failure> {
    let source = JobSource::new(args.sources.clone(), args.options.clone()).described()?;
    let secrets = source.secrets()?;
    let progress = Mutex::new(ProgressLine::new());
    let show = move |text: &str| {
        if let Ok(progress) = progress.lock() {
            progress.show(text);
        }
    };
    let opened = session::open(&source.recovery_point()?, source.open_options(&secrets)?, &show)?;
    drop(show);
    let report = opened.report();
    let details = || if args.verbose { details::text(report) } else { String::new() };
    let overview = || if args.table { report_text(report) } else { tree::text(report) };
    output.result(report, || format!("{}{}", overview(), details()));
    opened.close();
    Ok(())
}
