// The lying provider: oauth2-mock-server, whose every answer a test can bend. Listens on 127.0.0.1 only and ends with its
// standard input. No login page: GET /authorize redirects at once.
//
// env: PORT (default: a free one), TRAILING_SLASH=1 (the issuer ends in "/")
//
// POST /__next     the next answer of a kind is bent:
//   {"on": "openid-configuration|jwks|authorize|token|userinfo|revoke|introspect", "times": 1,
//    "set": {…}, "drop": […]     members of the JSON body, or parameters of the redirect
//    "status": 503, "headers": {…}, "raw": "<html>"}
//   {"on": "id_token|access_token", "set": {…}, "drop": […], "header": {…}, "drop_header": […]}   claims, before signing
// POST /__rotate  new keys; the old ones are gone
// GET  /__seen    [{"path", "authorization", "body"}] what it was asked so far, in order (the control routes left out)
import { createServer } from 'node:http';
import { JWKStore, OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';

const issuer = new OAuth2Issuer(process.env.TRAILING_SLASH === '1');
const service = new OAuth2Service(issuer);
const lies = [];
const seen = [];

function lieOn(kind) {
  const lie = lies.find((candidate) => candidate.on === kind);
  if (lie && --lie.times <= 0) lies.splice(lies.indexOf(lie), 1);
  return lie;
}

function bend(object, set = {}, drop = []) {
  Object.assign(object, set);
  for (const name of drop) delete object[name];
}

async function newKeys() {
  const keys = new JWKStore();
  await keys.generate('RS256');
  Object.defineProperty(issuer, 'keys', { value: keys, configurable: true });
}

service.on('beforeTokenSigning', ({ header, payload }) => {
  // An ID token is the one for the client; the access token of the same answer has a scope.
  const lie = lieOn('scope' in payload ? 'access_token' : 'id_token');
  if (!lie) return;
  bend(payload, lie.set, lie.drop);
  bend(header, lie.header, lie.drop_header);
});

function bendAnswer(response, lie) {
  const end = response.end.bind(response);
  response.end = (content = '') => {
    let body = content;
    if (response.hasHeader('location')) {
      const url = new URL(response.getHeader('location'));
      for (const [name, value] of Object.entries(lie.set ?? {})) url.searchParams.set(name, value);
      for (const name of lie.drop ?? []) url.searchParams.delete(name);
      response.setHeader('location', url.href);
    } else if (lie.raw !== undefined) {
      body = lie.raw;
    } else if (content) {
      const object = JSON.parse(content);
      bend(object, lie.set, lie.drop);
      body = JSON.stringify(object);
    }
    if (lie.status) response.statusCode = lie.status;
    for (const [name, value] of Object.entries(lie.headers ?? {})) response.setHeader(name, value);
    response.setHeader('content-length', Buffer.byteLength(body));
    return end(body);
  };
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function control(path, request, response) {
  if (path === '/__next') lies.push({ times: 1, ...JSON.parse(await text(request)) });
  else if (path === '/__rotate') await newKeys();
  else if (path !== '/__seen') response.statusCode = 404;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(seen));
}

service.on('beforeResponse', (_answer, request) => { request.record.body = request.body; });

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://unused').pathname;
  if (path.startsWith('/__')) return control(path, request, response);
  request.record = { path, authorization: request.headers.authorization };
  seen.push(request.record);
  const lie = lieOn(path.split('/').at(-1));
  if (lie) bendAnswer(response, lie);
  return service.requestHandler(request, response);
});

await newKeys();
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  issuer.url = `http://127.0.0.1:${server.address().port}`;
  console.log(`ready ${issuer.url}`);
});
process.stdin.resume().on('end', () => process.exit(0));
