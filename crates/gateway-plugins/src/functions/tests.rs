use gateway_proxy::pdk::{Content, Source};
use serde_json::{Value, json};

use super::{POST, PRE};
use crate::testing::{Exchange, Lab, configuration, shown, words};

fn plugin(lab: &Lab, config: Value) -> std::sync::Arc<dyn gateway_proxy::pdk::Plugin> {
    lab.plugin(&PRE, config)
}

fn access(code: &str) -> Value {
    json!({ "access": [code] })
}

/// What an expression is when a request of `exchange` is looked at.
fn evaluated(lab: &Lab, exchange: Exchange, expression: &str) -> String {
    let code = format!("kong.response.exit(200, tostring({expression}))");
    let mut exchange = exchange.routed().served();
    match exchange.access(&*plugin(lab, access(&code))).unwrap().content {
        Content::Bytes(body) => String::from_utf8(body).unwrap(),
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "certificate": [], "rewrite": [], "access": ["return 5"], "header_filter": [], "body_filter": [], "log": [],
    });
    assert_eq!(shown("pre-function", json!({ "access": ["return 5"] })), expected);
}

#[test]
fn what_is_no_lua_is_refused_with_the_line() {
    let error = |plugin, code: &str| {
        let error = configuration(plugin, json!({ "access": [code] })).unwrap_err();
        error["fields"]["config"]["access"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(
        error("pre-function", "syntax error here"),
        "error parsing pre-function: [string \"syntax error here\"]:1: '=' expected near 'error'"
    );
    assert_eq!(error("post-function", "x"), "error parsing post-function: [string \"x\"]:1: '=' expected near '<eof>'");
    assert_eq!(
        error("pre-function", "goto nowhere"),
        "error parsing pre-function: [string \"goto nowhere\"]:1: undefined label 'nowhere'"
    );
    assert_eq!(
        error("pre-function", "\u{1b}Lua"),
        "error parsing pre-function: (binary): cannot load incompatible bytecode"
    );
    assert!(configuration("pre-function", json!({})).is_err());
}

#[test]
fn code_answers() {
    let lab = Lab::new();
    let code = "kong.response.exit(202, { hello = 'lua', list = { 1, 'x' }, none = {} }, { ['X-L'] = '1' })";
    let plugin = plugin(&lab, access(code));
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert_eq!((answer.status, answer.headers.get_str("X-L")), (202, Some("1")));
    assert_eq!(answer.headers.get_str("Content-Type"), Some("application/json; charset=utf-8"));
    let Content::Bytes(body) = answer.content else { panic!("{answer:?}") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({ "hello": "lua", "list": [1, "x"], "none": {} }));
}

#[test]
fn text_has_no_type_unless_it_is_named() {
    let lab = Lab::new();
    let named = |code: &str| {
        let answer = lab.request("GET", "/").access(&*plugin(&lab, access(code))).unwrap();
        answer.headers.get_str("content-type").map(str::to_owned)
    };
    assert_eq!(named("kong.response.exit(200, 'text')"), None);
    let html = "kong.response.exit(200, '<b>', { ['content-type'] = 'text/html' })";
    assert_eq!(named(html).as_deref(), Some("text/html; charset=UTF-8"));
}

#[test]
fn errors_are_answered_and_known_as_such() {
    let lab = Lab::new();
    for code in ["error('boom')", "return nil .. 'x'", "kong.response.exit('x')", "kong.response.error(200)"] {
        let plugin = plugin(&lab, access(code));
        let mut request = lab.request("GET", "/");
        let answer = request.access(&*plugin).unwrap();
        assert_eq!((answer.status, words(&answer)), (500, "An unexpected error occurred"), "{code}");
        request.filter_headers(&*plugin, &[]);
        assert_eq!(request.context.source, Source::Error);
    }
    let plugin = plugin(&lab, access("kong.response.error(401, 'c', { ['X-A'] = 1 })"));
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert_eq!((answer.status, words(&answer), answer.headers.get_str("x-a")), (401, "c", Some("1")));
}

#[test]
fn code_runs_in_order_until_one_answers() {
    let lab = Lab::new();
    let codes = [
        "kong.ctx.shared.l = 'a'",
        "kong.ctx.shared.l = kong.ctx.shared.l .. 'b'",
        "return kong.response.exit(200, kong.ctx.shared.l .. 'c')",
        "return kong.response.exit(500, 'not reached')",
    ];
    let plugin = plugin(&lab, json!({ "access": codes }));
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert!(matches!(answer.content, Content::Bytes(body) if body == b"abc"));
}

#[test]
fn a_returned_function_stands_for_its_code() {
    let lab = Lab::new();
    let code = "local n = 0 return function() n = n + 1 kong.service.request.set_header('X-Count', n) end";
    let plugin = plugin(&lab, access(code));
    for count in ["1", "2"] {
        let mut request = lab.request("GET", "/");
        assert!(request.access(&*plugin).is_none());
        assert_eq!(request.upstream("X-Count"), Some(count));
    }
}

#[test]
fn code_asks_about_the_request() {
    let lab = Lab::new();
    let request = || lab.request("GET", "/r/b%20b?a=1&b=x%20y&a=2&c&d=").header("X-One", "1").header("X-Dup", "a");
    let is = |expression: &str, expected: &str| {
        assert_eq!(evaluated(&lab, request().header("X-Dup", "b"), expression), expected, "{expression}");
    };
    is("kong.request.get_host()", "example.com");
    is("kong.request.get_path()", "/r/b b");
    is("kong.request.get_raw_path()", "/r/b%20b");
    is("kong.request.get_path_with_query()", "/r/b%20b?a=1&b=x%20y&a=2&c&d=");
    is("kong.request.get_query_arg('b')", "x y");
    is("kong.request.get_query().c", "true");
    is("kong.request.get_query().a[2]", "2");
    is("kong.request.get_header('x_one')", "1");
    is("kong.request.get_headers().x_one", "1");
    is("kong.request.get_headers()['X-Dup'][2]", "b");
    is("kong.router.get_route().name", "route");
    is("kong.router.get_service().host", "upstream.example");
    is("kong.client.get_ip()", "127.0.0.1");
    is("kong.client.get_consumer()", "nil");
    is("kong.version_num", "3009003");
    is("ngx.var.uri", "/r/b b");
    is("ngx.get_phase()", "access");
    is(
        "select(2, pcall(kong.response.get_status)):match('function.*')",
        "function cannot be called in access phase (only in: response, header_filter, body_filter, log, error, admin_api)",
    );
}

#[test]
fn code_changes_what_goes_upstream() {
    let lab = Lab::new();
    let code = "
        local request = kong.service.request
        request.set_method('DELETE')
        request.set_path('/new path/%41')
        request.set_query({ z = 1, a = { 'x y', true }, e = '', f = true })
        request.set_header('X-L', { 'b', 'a' })
        request.set_header('Host', 'h.x')
        request.clear_header('X-One')
        request.set_body({ b = { '1', '2' }, a = 'x y' }, 'application/x-www-form-urlencoded')
        kong.response.set_header('X-R', 1)
        kong.service.set_target('10.0.0.1', 8080)";
    let mut request = lab.request("GET", "/").header("X-One", "1").routed().served();
    assert!(request.access(&*plugin(&lab, access(code))).is_none());
    let target = &request.context.target;
    assert_eq!(request.context.request.method.as_str(), "DELETE");
    assert_eq!((&target.path[..], request.query()), (&b"/new%20path/%41"[..], "?a=x%20y&a&e=&f&z=1"));
    assert_eq!(
        (target.host.as_deref(), target.port, target.host_header.as_deref()),
        (Some("10.0.0.1"), 8080, Some(&b"h.x"[..]))
    );
    assert_eq!(request.context.request.headers.get_all("x-l").collect::<Vec<_>>(), [b"b", b"a"]);
    assert_eq!((request.upstream("X-One"), request.response("X-R")), (None, Some("1")));
    assert_eq!(request.context.replaced_body.as_deref(), Some(&b"a=x%20y&b=1&b=2"[..]));
    assert_eq!(request.upstream("Content-Type"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn fields_cannot_smuggle_lines() {
    let lab = Lab::new();
    let answer = lab
        .request("GET", "/")
        .access(&*plugin(&lab, access("kong.service.request.set_header('X-A', 'a\\r\\nHost: b')")))
        .unwrap();
    assert_eq!(answer.status, 500);
}

#[test]
fn code_reads_bodies() {
    let lab = Lab::new();
    let is = |kind: &str, body: &str, expression: &str, expected: &str| {
        let request = lab.request("POST", "/").body(kind, body);
        assert_eq!(evaluated(&lab, request, expression), expected, "{expression}");
    };
    is("text/plain", "raw", "kong.request.get_raw_body()", "raw");
    is("application/json", r#"{"a": 1, "b": [true, null]}"#, "kong.request.get_body().b[2] == ngx.null", "true");
    is("application/json", "{bad", "kong.request.get_body()", "nil");
    is("application/x-www-form-urlencoded", "a=1&b=x+y", "kong.request.get_body().b", "x y");
    let parts = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n\"\r\n\r\ndata\r\n--b--\r\n";
    is("multipart/form-data; boundary=b", parts, "kong.request.get_body().f", "data");
}

#[test]
fn code_is_confined() {
    let lab = Lab::new();
    let is = |expression: &str, expected: &str| {
        assert_eq!(evaluated(&lab, lab.request("GET", "/"), expression), expected, "{expression}");
    };
    for name in [
        "io",
        "os.execute",
        "os.exit",
        "loadstring",
        "load",
        "dofile",
        "package",
        "debug",
        "jit",
        "rawget",
        "setmetatable",
        "getfenv",
        "setfenv",
        "collectgarbage",
        "newproxy",
        "string.dump",
        "('').dump",
    ] {
        is(name, "nil");
    }
    is("select(2, pcall(require, 'ffi'))", "require 'ffi' not allowed within sandbox");
    is("coroutine.wrap(function() coroutine.yield(7) end)()", "7");
}

#[test]
fn endless_code_is_stopped() {
    let lab = Lab::new();
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local s = ('x'):rep(1024) while true do s = s .. s end",
    ] {
        let answer = lab.request("GET", "/").access(&*plugin(&lab, access(code))).unwrap();
        assert_eq!(answer.status, 500, "{code}");
    }
    assert!(lab.request("GET", "/").access(&*plugin(&lab, access("return 1"))).is_none());
}

#[test]
fn what_is_shared_is_told_other_plugins() {
    let mut lab = Lab::new();
    lab.consumer("bob");
    let code = "
        kong.ctx.shared.foo, kong.ctx.shared.tbl = 'bar', { a = 'deep' }
        kong.ctx.shared.authenticated_groups = { 'g1' }
        kong.ctx.shared.call = function() return 7 end
        kong.ctx.plugin.own = 1
        kong.client.authenticate(kong.client.load_consumer('bob', true), { id = 'c' })";
    let mut request = lab.request("GET", "/");
    assert!(request.access(&*plugin(&lab, access(code))).is_none());
    let shared = request.context.shared.as_deref().unwrap();
    assert_eq!(Value::Object(shared.clone()), json!({ "foo": "bar", "tbl": { "a": "deep" } }));
    assert_eq!(request.context.groups.as_deref(), Some(&["g1".to_owned()][..]));
    assert_eq!(request.context.consumer.as_ref().map(|consumer| &*consumer.id), Some("id-bob"));
    request.context.shared.as_mut().unwrap().insert("foo".to_owned(), json!("other"));
    let later =
        access("local s = kong.ctx.shared kong.response.exit(200, s.foo .. s.call() .. s.authenticated_groups[1])");
    let answer = request.access(&*lab.plugin(&POST, later)).unwrap();
    assert!(matches!(answer.content, Content::Bytes(body) if body == b"other7g1"));
}

#[test]
fn heads_of_answers_are_changed() {
    let lab = Lab::new();
    let head = |code: &str| {
        let plugin = plugin(&lab, json!({ "header_filter": [code] }));
        lab.request("GET", "/").filter_headers(&*plugin, &[("X-Up", "b1"), ("X-Up", "b2"), ("Server", "s")])
    };
    assert_eq!(head("kong.response.set_status(299)").status, 299);
    assert_eq!(head("ngx.status = 206").status, 206);
    assert_eq!(head("error('x')").status, 500);
    assert_eq!(head("kong.response.add_header('X-Up', 'b3')").headers.get_all("x-up").count(), 3);
    let changed = head("ngx.header.x_n = { '1', kong.response.get_header('x-up') } ngx.header.server = nil");
    assert_eq!(changed.headers.get_all("x-n").collect::<Vec<_>>(), [b"1".as_slice(), b"b1"]);
    assert!(!changed.headers.contains("server"));
}

#[test]
fn a_header_filter_may_replace_the_answer() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({ "header_filter": ["kong.response.exit(418, { m = 1 })"] }));
    assert!(plugin.phases().body_filter);
    let mut request = lab.request("GET", "/");
    let head = request.filter_headers(&*plugin, &[("X-Up", "1"), ("Content-Length", "99")]);
    assert_eq!(
        (head.status, head.headers.get_str("content-length"), head.headers.get_str("x-up")),
        (418, Some("7"), Some("1"))
    );
    let mut part = b"of the upstream".to_vec();
    plugin.body_filter(&mut request.context, &mut part, false);
    let post = lab.environment();
    let post = gateway_proxy::pdk::Environment { plugin: "another".into(), ..post };
    let config = configuration("post-function", json!({ "body_filter": ["return"] })).unwrap();
    let post = gateway_proxy::pdk::Definition::compile(&POST, &config, &post).unwrap();
    post.body_filter(&mut request.context, &mut part, false);
    assert_eq!(part, br#"{"m":1}"#);
    part = b"more".to_vec();
    plugin.body_filter(&mut request.context, &mut part, true);
    assert_eq!(part, b"");
}

#[test]
fn bodies_of_answers_are_changed() {
    let lab = Lab::new();
    let body = |code: &str| {
        let plugin = plugin(&lab, json!({ "body_filter": [code] }));
        let mut request = lab.request("GET", "/");
        let mut parts = [b"ab".to_vec(), b"cd".to_vec()];
        plugin.body_filter(&mut request.context, &mut parts[0], false);
        plugin.body_filter(&mut request.context, &mut parts[1], true);
        parts.map(|part| String::from_utf8(part).unwrap())
    };
    assert_eq!(body("ngx.arg[1] = ngx.arg[1] .. (ngx.arg[2] and 'EOF' or '+')"), ["ab+", "cdEOF"]);
    let whole = "local b = kong.response.get_raw_body() if b then kong.response.set_raw_body(#b .. b:upper()) end";
    assert_eq!(body(whole), ["", "4ABCD"]);
    assert_eq!(body("error('x')"), ["", ""]);
}

#[test]
fn answers_without_a_body_get_none() {
    let lab = Lab::new();
    let plugin = plugin(&lab, json!({ "header_filter": ["ngx.status = 204"], "body_filter": ["ngx.arg[1] = 'x'"] }));
    let mut request = lab.request("GET", "/");
    assert_eq!(request.filter_headers(&*plugin, &[]).status, 204);
    let mut part = Vec::new();
    plugin.body_filter(&mut request.context, &mut part, true);
    assert_eq!(part, b"");
}

#[test]
fn the_server_is_spoken_to() {
    let lab = Lab::new();
    let answer = |code: &str| lab.request("GET", "/").access(&*plugin(&lab, access(code)));
    let said = answer("ngx.status = 203 ngx.header['X-N'] = '1' ngx.say('said', { 'a', 1 }) ngx.exit(200)").unwrap();
    assert_eq!(said.status, 203);
    assert!(matches!(said.content, Content::Bytes(body) if body == b"saida1\n"));
    let found = answer("ngx.redirect('/elsewhere', 302)").unwrap();
    assert_eq!((found.status, found.headers.get_str("location")), (302, Some("/elsewhere")));
    assert_eq!(found.headers.get_str("content-type"), Some("text/html"));
    assert_eq!(words(&answer("kong.response.exit(404)").unwrap()), "Not found");
    assert!(answer("ngx.exit(ngx.OK)").is_none());
    let is = |expression: &str, expected: &str| {
        assert_eq!(evaluated(&lab, lab.request("GET", "/"), expression), expected, "{expression}");
    };
    is("ngx.md5('x')", "9dd4e461268c8034f5c8564e155c67a6");
    is("ngx.encode_base64(ngx.hmac_sha1('k', 'm'))", "dytxyKKZfnaL4B2XEeSk80ok7zM=");
    is("ngx.crc32_long('x')", "2363233923");
    is("ngx.escape_uri('a b/ü')", "a%20b%2F%C3%BC");
    is("ngx.unescape_uri('a%20b+c')", "a b c");
    is("ngx.encode_args({ a = { '1', '2 3' } })", "a=1&a=2%203");
    is("ngx.re.match('abc123', '([a-z]+)(?<n>[0-9]+)').n", "123");
    is("ngx.re.gsub('a1b2', '[0-9]', '<$0>')", "a<1>b<2>");
    is("select(2, ngx.re.find('abc', 'b'))", "2");
    is("ngx.http_time(1000000000)", "Sun, 09 Sep 2001 01:46:40 GMT");
    is("ngx.cookie_time(1000000000)", "Sun, 09-Sep-01 01:46:40 GMT");
    is("ngx.parse_http_time('Sun, 09 Sep 2001 01:46:40 GMT')", "1000000000");
    is("ngx.quote_sql_str(\"a'b\")", "'a\\'b'");
    is("ngx.null", "userdata: NULL");
}

#[test]
fn the_way_upstream_is_changed() {
    let mut lab = Lab::new();
    lab.directory.put_upstream(&"up".into());
    let mut request = lab.request("GET", "/").routed().served();
    let mut query = lab.request("GET", "/?a=1&b=2&a").routed().served();
    assert!(query.access(&*plugin(&lab, access("kong.service.request.clear_query_arg('a')"))).is_none());
    assert_eq!(query.query(), "?b=2");
    let code = "assert(kong.service.set_upstream('up')) local ok, why = kong.service.set_upstream('none') \
                kong.service.set_retries(1) kong.service.set_timeouts(10, 20, 30) \
                kong.service.request.enable_buffering() kong.service.request.set_header('X-Why', tostring(ok) .. why)";
    assert!(request.access(&*plugin(&lab, access(code))).is_none());
    assert_eq!(request.upstream("X-Why"), Some("nilcould not find an Upstream named 'none'"));
    assert_eq!(request.context.target.host.as_deref(), Some("up"));
    let detour = request.context.detour.unwrap();
    assert_eq!((detour.retries, detour.hold_answer), (Some(1), true));
    assert_eq!(detour.timeouts.unwrap().map(|timeout| timeout.as_millis()), [10, 20, 30]);
}

#[test]
fn log_records_are_changed() {
    let lab = Lab::new();
    let code = "kong.log.set_serialize_value('tenant', 'a') kong.log.set_serialize_value('request.method', nil) \
                kong.log.set_serialize_value('client_ip', 'x', { mode = 'add' }) \
                kong.log.set_serialize_value('no.such', 1, { mode = 'replace' }) \
                kong.log.set_serialize_value('request.id.x', 1)";
    let log = "kong.log.set_serialize_value('late.list', { 1, kong.response.get_status() })";
    let plugin = plugin(&lab, json!({ "access": [code], "log": [log] }));
    let mut exchange = lab.request("GET", "/");
    assert!(exchange.access(&*plugin).is_none());
    exchange.filter_headers(&*plugin, &[]);
    exchange.context.id = gateway_proxy::pdk::RequestId::new(77);
    crate::log::testing::log(&*plugin, &exchange, 201);
    let mut record = Value::Null;
    crate::log::testing::with_outcome(201, |outcome| {
        record = serde_json::from_slice(&crate::log::record(&exchange.context, outcome)).unwrap();
    });
    assert_eq!((&record["tenant"], record["request"].get("method")), (&json!("a"), None));
    assert_eq!((&record["client_ip"], record.get("no")), (&json!("127.0.0.1"), None));
    assert_eq!(record["late"]["list"], json!([1, 201]));
    assert!(record["request"]["id"].is_string());
    let wrong = "kong.log.set_serialize_value(1, 2)";
    assert_eq!(exchange.access(&*super::tests::plugin(&lab, access(wrong))).unwrap().status, 500);
}

#[test]
fn the_node_is_known() {
    let lab = Lab::new();
    let is = |expression: &str, expected: &str| {
        assert_eq!(evaluated(&lab, lab.request("GET", "/"), expression), expected, "{expression}");
    };
    is("kong.configuration.database", "nil");
    let trusted_ips = vec!["10.0.0.0/8".parse().unwrap()];
    lab.node.configure(&std::sync::Arc::new(gateway_proxy::Settings { trusted_ips, ..Default::default() }));
    is("kong.configuration.database", "off");
    is("kong.configuration.real_ip_header", "X-Real-IP");
    is("kong.configuration.router_flavor", "traditional_compatible");
    is("kong.configuration.trusted_ips[1]", "10.0.0.0/8");
    is("kong.configuration.pg_password", "nil");
    is("kong.ip.is_trusted('10.1.2.3')", "true");
    is("kong.ip.is_trusted('11.1.2.3')", "false");
    is("kong.ip.is_trusted('x')", "false");
}

#[test]
fn an_answer_that_is_held_shows_its_body() {
    let lab = Lab::new();
    let header = |held: Option<&[u8]>, code: &str| {
        let plugin = plugin(&lab, json!({ "header_filter": [format!("kong.response.set_header('X-B', {code})")] }));
        let mut request = lab.request("GET", "/");
        request.context.detour_mut().held_body = held.map(Into::into);
        let head = request.filter_headers(&*plugin, &[("Content-Type", "application/json")]);
        (head.status, head.headers.get_str("x-b").map(str::to_owned))
    };
    let body = Some(&b"{\"a\":[1,2]}"[..]);
    assert_eq!(header(body, "#kong.service.response.get_raw_body()"), (200, Some("11".to_owned())));
    assert_eq!(header(body, "kong.service.response.get_body().a[2]"), (200, Some("2".to_owned())));
    assert_eq!(header(Some(b"x"), "tostring(kong.service.response.get_body())"), (200, Some("nil".to_owned())));
    assert_eq!(header(None, "kong.service.response.get_raw_body()"), (500, None), "it was not asked for");
}

#[test]
fn phases_without_code_cost_nothing() {
    let lab = Lab::new();
    let phases = plugin(&lab, json!({ "log": ["return 1"] })).phases();
    assert!(phases.log && !phases.access && !phases.header_filter && !phases.body_filter && !phases.rewrite);
}
