//! `fr-mount volumes SOURCE`: what is in a recovery point, without mounting it.

use crate::args::SourceArgs;
use crate::exit::Failure;
use crate::job::Secrets;
use crate::output::{Output, ProgressLine, report_text};
use std::sync::Mutex;

pub(crate) fn run(source: SourceArgs, output: Output) -> Result<(), Failure> {
    let secrets = Secrets::read(&source.connection)?;
    let progress = Mutex::new(ProgressLine::new());
    let show = move |text: &str| {
        if let Ok(progress) = progress.lock() {
            progress.show(text);
        }
    };
    let opened = session::open(&source.recovery_point()?, source.options(&secrets)?, &show)?;
    drop(show);
    output.result(opened.report(), || report_text(opened.report()));
    opened.close();
    Ok(())
}
