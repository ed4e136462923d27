//! The public certificates that the checks of a `cert` column read.

use x509_parser::pem::Pem;

/// What is wrong with a file that should hold a certificate chain in PEM (RFC 7468), if something is.
pub(super) fn fault(bytes: &[u8]) -> Option<&'static str> {
    let mut certificates = 0;
    for block in Pem::iter_from_buffer(bytes) {
        let Ok(block) = block else { return Some("its PEM is damaged") };
        if block.label.contains("PRIVATE KEY") {
            return Some("it holds a private key, which has no place in the project");
        }
        if block.label == "CERTIFICATE" {
            match block.parse_x509() {
                Ok(_) => certificates += 1,
                Err(_) => return Some("a certificate in it is damaged"),
            }
        }
    }
    (certificates == 0).then_some("there is no certificate in it")
}
