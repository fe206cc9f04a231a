//! What Apache StreamPark's sink makes of a record, which is a URL: the text after the first `?` is sent as the members of a JSON object.

/// The URL without its query, and the body; no body where there is no `?`.
///
/// Parameters stand between `&`; a value is everything after the first `=`, is a string and is not percent-decoded; of parameters of the
/// same name the last counts. Also for methods that have no body elsewhere.
pub(crate) fn split(url: &str) -> (&str, Option<String>) {
    let Some((address, parameters)) = url.split_once('?') else { return (url, None) };
    let mut members: Vec<(&str, &str)> = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    let mut body = String::from("{");
    for (n, (name, value)) in members.into_iter().enumerate() {
        if n > 0 {
            body.push(',');
        }
        push_json(name, &mut body);
        body.push(':');
        push_json(value, &mut body);
    }
    body.push('}');
    (address, Some(body))
}

fn push_json(text: &str, to: &mut String) {
    to.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(url: &str) -> String {
        split(url).1.unwrap_or_default()
    }

    #[test]
    fn parameters_are_members_of_an_object_as_they_are_written() {
        assert_eq!(
            split("http://127.0.0.1:8080?userId=(..&siteId=..)"),
            ("http://127.0.0.1:8080", Some(r#"{"userId":"(..","siteId":"..)"}"#.to_owned()))
        );
        assert_eq!(body("h?a=1&b=%20&a=2"), r#"{"a":"2","b":"%20"}"#);
        assert_eq!(body("h?a=x?y=z"), r#"{"a":"x?y=z"}"#);
        assert_eq!(body("h?a&=b&&é=ü\"\\"), "{\"a\":\"\",\"\":\"b\",\"é\":\"ü\\\"\\\\\"}");
        assert_eq!(body("h?"), "{}");
        assert_eq!(split("http://h/x"), ("http://h/x", None));
    }
}
