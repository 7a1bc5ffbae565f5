//! How the operating system names itself to Azure Backup: scripts put its name and version before the CHAP user.

/// The longest name or version that is said, in bytes.
const WORD_BYTES_MAX: usize = 32;

/// `NAME;VERSION;` for the CHAP user on the wire, from the text of `/etc/os-release` (os-release(5)), in the words that the
/// script has for the systems that it knows. A system that is derived from one of these says that one; any other is `Linux`.
#[must_use]
pub fn chap_prefix(os_release: &str) -> String {
    let field = |key: &str| {
        let line = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_ascii_lowercase()).unwrap_or_default()
    };
    let own = known(&field("ID"));
    let name = own.or_else(|| field("ID_LIKE").split_whitespace().find_map(known)).unwrap_or("Linux");
    format!("{name};{};", version(&field("VERSION_ID")))
}

fn known(id: &str) -> Option<&'static str> {
    match id {
        "ubuntu" => Some("Ubuntu"),
        "debian" => Some("Debian"),
        "centos" => Some("CentOS"),
        "rhel" => Some("RHEL"),
        "ol" => Some("Oracle"),
        "sles" | "sle_hpc" | "sled" | "suse" => Some("SLES"),
        _ if id.starts_with("opensuse") => Some("OpenSUSE"),
        _ => None,
    }
}

/// At most two numbers, as the script cuts it; `1` where the system has none, as a rolling one.
fn version(said: &str) -> String {
    let numbers: Vec<_> = said.split('.').take(2).collect();
    let plain = numbers.iter().all(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
    if plain && said.len() <= WORD_BYTES_MAX { numbers.join(".") } else { "1".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named_as_the_script_names_them() {
        for (text, prefix) in [
            ("NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nID=ubuntu\nID_LIKE=debian\n", "Ubuntu;22.04;"),
            ("ID=debian\nVERSION_ID=\"12\"\n", "Debian;12;"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\n", "RHEL;9.3;"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"21.3\"\n", "Ubuntu;21.3;"),
            ("ID=\"ol\"\nVERSION_ID=\"8.9\"\n", "Oracle;8.9;"),
            ("ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n", "OpenSUSE;15.5;"),
            ("ID=\"centos\"\nVERSION_ID=\"7.9.2009\"\n", "CentOS;7.9;"),
            ("ID=arch\n", "Linux;1;"),
            ("ID=x\nVERSION_ID=\"1;2;\"\n", "Linux;1;"),
            ("", "Linux;1;"),
        ] {
            assert_eq!(chap_prefix(text), prefix, "{text}");
        }
    }
}
