//! Signed requests: the field `Signature` holds base64 of HMAC-SHA1, by the secret key, over the values of all other
//! fields in the order of their names, then the body (`AclClientRPCHook`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use riverrun_base::Secret;
use sha1::Sha1;

use crate::fields::{FieldsBuilder, pairs};

/// Who asks: `access.key` and `secret.key`. Name server and brokers get the same.
#[derive(Clone, Debug)]
pub struct Credentials {
    access_key: String,
    secret_key: Secret,
}

impl Credentials {
    /// A user's name and secret.
    pub fn new(access_key: impl Into<String>, secret_key: Secret) -> Self {
        Self { access_key: access_key.into(), secret_key }
    }

    /// Adds the user's name and the signature.
    pub(crate) fn sign(&self, mut fields: FieldsBuilder, body: &[u8]) -> FieldsBuilder {
        fields.push("AccessKey", &self.access_key);
        let signature = self.signature(&fields, body);
        fields.text("Signature", &signature)
    }

    fn signature(&self, fields: &FieldsBuilder, body: &[u8]) -> String {
        let mut sorted: Vec<_> = pairs(fields.as_bytes()).collect();
        sorted.sort_unstable();
        // a key of any length makes an HMAC
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(self.secret_key.expose().as_bytes()) else {
            return String::new();
        };
        for (_, value) in sorted {
            mac.update(value.as_bytes());
        }
        mac.update(body);
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_signed_in_the_order_of_their_names() {
        // echo -n 'adminTrun!' | openssl dgst -sha1 -hmac secret -binary | base64
        let fields = FieldsBuilder::default().text("z", "run").text("topic", "T");
        let signed = Credentials::new("admin", Secret::new("secret")).sign(fields, b"!");
        let signature = signed.finish().get("Signature").unwrap().to_owned();
        assert_eq!(signature, SIGNATURE);
    }

    const SIGNATURE: &str = "TwqveZWI9/dvwDTZ+Yam4nYCABE=";
}
