use super::*;
use crate::md::container_fixtures;

#[test]
fn containers_are_read_as_the_kernel_reads_them_whatever_is_missing() {
    container_fixtures::check("ddf-");
}
