use super::*;
use crate::ErrorKind;
