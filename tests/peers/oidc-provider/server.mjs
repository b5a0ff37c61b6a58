// A real, certified OpenID provider, panva's oidc-provider. Listens on 127.0.0.1 only and ends with its standard input. All
// state is in memory.
//
// env:
//   PORT            default: a free one
//   TLS_CERT,TLS_KEY,TLS_CA   PEM files: serve https; a second port, which the metadata names, asks for a client certificate
//   TLS_CLIENT_CERT PEM file: the certificate of client "m2m-self-signed"
//   CLIENT_JWKS     JSON file: the public keys of clients "m2m-pkjwt", "native-signed" and "bank-app" (FAPI 2.0)
//   DPOP_NONCE=1    every DPoP proof must carry a server nonce (else only client "native-nonce" must)
//   STRICT_RESOURCE=1  at the token endpoint `resource` must be repeated to get a JWT for it
//                   (default: Auth0-like, the audience granted at /auth is used)
//   ACCESS_TTL      access token lifetime in seconds, default 300
//   CLOCK_TOLERANCE seconds, default 15 (the library's): set 0 to test expiry
//   RT_ROTATE=0     do not rotate refresh tokens
//   WEB_APP         the URL of a web application, with a slash at its end: client "web-app"
//   ID_ALG          RS256 (default) | ES256 | PS256 | EdDSA : id_token alg for client "native"
import * as http from 'node:http';
import * as https from 'node:https';
import * as fs from 'node:fs';
import * as crypto from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

const env = process.env;
const HOST = '127.0.0.1';
const PORT = Number(env.PORT || 0);
const tls = env.TLS_CERT && env.TLS_KEY;
const ACCESS_TTL = Number(env.ACCESS_TTL || 300);

const jwk = (type, opts, extra) => ({
  ...crypto.generateKeyPairSync(type, opts).privateKey.export({ format: 'jwk' }),
  use: 'sig', ...extra,
});
const jwks = { keys: [
  jwk('rsa', { modulusLength: 2048 }, { kid: 'rsa-1' }),
  jwk('ec', { namedCurve: 'P-256' }, { kid: 'ec-1', alg: 'ES256' }),
  jwk('ed25519', {}, { kid: 'ed-1' }),
] };

const LOOPBACK = ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback'];
const NATIVE = {
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: LOOPBACK,
  post_logout_redirect_uris: ['http://127.0.0.1/logged-out'],
};
const M2M = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };
// private_key_jwt: the client's public JWKS, supplied by the test in CLIENT_JWKS (a file), else a key made here.
const clientJwks = env.CLIENT_JWKS && fs.existsSync(env.CLIENT_JWKS)
  ? JSON.parse(fs.readFileSync(env.CLIENT_JWKS, 'utf8')) : undefined;

const clients = [
  { client_id: 'native', client_name: 'Native', ...NATIVE, id_token_signed_response_alg: env.ID_ALG || 'RS256' },
  { client_id: 'native-nonce', ...NATIVE, dpop_bound_access_tokens: true },
  { client_id: 'native-par', ...NATIVE, require_pushed_authorization_requests: true },
  { client_id: 'native-user-info-jwt', ...NATIVE, userinfo_signed_response_alg: 'ES256' },
  { client_id: 'native-es256', ...NATIVE, id_token_signed_response_alg: 'ES256' },
  { client_id: 'native-eddsa', ...NATIVE, id_token_signed_response_alg: 'EdDSA' },
  { client_id: 'web-basic', client_secret: 'web-basic-secret+/=%', redirect_uris: ['https://app.example/cb', 'http://127.0.0.1:7777/callback'], response_types: ['code'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_basic' },
  { client_id: 'm2m-basic', client_secret: 'm2m-basic-secret', ...M2M, token_endpoint_auth_method: 'client_secret_basic' },
  { client_id: 'm2m-post', client_secret: 'm2m-post-secret', ...M2M, token_endpoint_auth_method: 'client_secret_post' },
  { client_id: 'm2m-secret-jwt', client_secret: 'm2m-secret-jwt-0123456789-0123456789', ...M2M, token_endpoint_auth_method: 'client_secret_jwt' },
  { client_id: 'ciba', client_secret: 'ciba-secret', redirect_uris: [], response_types: [], grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'], token_endpoint_auth_method: 'client_secret_basic', backchannel_token_delivery_mode: 'poll' },
  { client_id: 'rs', client_secret: 'rs-secret', redirect_uris: [], response_types: [], grant_types: [], token_endpoint_auth_method: 'client_secret_basic' },
];
if (env.WEB_APP) {
  clients.push({ client_id: 'web-app', client_secret: 'web-app-secret', redirect_uris: [`${env.WEB_APP}callback`], post_logout_redirect_uris: [env.WEB_APP], response_types: ['code'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' });
}
if (clientJwks) clients.push({ client_id: 'native-signed', ...NATIVE, require_signed_request_object: true, jwks: clientJwks });
if (clientJwks) clients.push({ client_id: 'bank-app', ...NATIVE, token_endpoint_auth_method: 'private_key_jwt', jwks: clientJwks, id_token_signed_response_alg: 'ES256', require_pushed_authorization_requests: true, dpop_bound_access_tokens: true, authorization_details_types: ['payment'] });
if (clientJwks) clients.push({ client_id: 'm2m-pkjwt', ...M2M, token_endpoint_auth_method: 'private_key_jwt', jwks: clientJwks });
if (tls) {
  const own = new crypto.X509Certificate(fs.readFileSync(env.TLS_CLIENT_CERT));
  const key = { ...own.publicKey.export({ format: 'jwk' }), x5c: [own.raw.toString('base64')] };
  clients.push({ client_id: 'm2m-self-signed', ...M2M, token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [key] }, tls_client_certificate_bound_access_tokens: true });
  clients.push({ client_id: 'm2m-mtls', ...M2M, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=m2m-mtls', tls_client_certificate_bound_access_tokens: true });
  clients.push({ client_id: 'native-mtls', ...NATIVE, tls_client_certificate_bound_access_tokens: true });
}

const APIS = {
  'https://api.example.com': { scope: 'read:things write:things', accessTokenFormat: 'jwt' },
  'urn:opaque-api': { scope: 'read:things', accessTokenFormat: 'opaque' },
};

const audienceParam = (ctx) => ctx.oidc.params?.audience ?? ctx.oidc.body?.audience;
// The issuer names the port, so the port comes first.
const files = tls && { cert: fs.readFileSync(env.TLS_CERT), key: fs.readFileSync(env.TLS_KEY) };
const listening = (server, port) => new Promise((resolve) => { server.listen(port, HOST, () => resolve(server.address().port)); });
const server = tls ? https.createServer(files) : http.createServer();
const ISSUER = `${tls ? 'https' : 'http'}://${HOST}:${await listening(server, PORT)}`;
// Where a certificate is asked for: a door of its own, so that browsers do not ask people for one.
const sideDoor = tls && https.createServer({ ...files, ca: fs.readFileSync(env.TLS_CA), requestCert: true, rejectUnauthorized: false });
const SIDE = tls && `https://${HOST}:${await listening(sideDoor, 0)}`;
const discovery = tls ? { mtls_endpoint_aliases: {
  token_endpoint: `${SIDE}/token`, userinfo_endpoint: `${SIDE}/me`, revocation_endpoint: `${SIDE}/token/revocation`,
  introspection_endpoint: `${SIDE}/token/introspection`, device_authorization_endpoint: `${SIDE}/device/auth`,
  pushed_authorization_request_endpoint: `${SIDE}/request`, backchannel_authentication_endpoint: `${SIDE}/backchannel`,
} } : {};

const provider = new Provider(ISSUER, {
  jwks,
  clients,
  discovery,
  cookies: { keys: ['peer-test-key'] },
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], profile: ['name', 'nickname', 'updated_at'], email: ['email', 'email_verified'] },
  // any login name is accepted with any password; "ghost" does not exist
  findAccount: (ctx, sub) => (sub === 'ghost' ? undefined : {
    accountId: sub,
    claims: () => ({ sub, name: `User ${sub}`, nickname: sub, email: `${sub}@example.com`, email_verified: true, updated_at: 1700000000 }),
  }),
  clockTolerance: Number(env.CLOCK_TOLERANCE ?? 15), // the default: expired tokens stay good for 15 s
  pkce: { required: () => true },
  extraParams: ['audience', 'organization', 'connection', 'screen_hint'],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(tls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : [])],
  issueRefreshToken: (ctx, client, source) => client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
  rotateRefreshToken: () => env.RT_ROTATE !== '0',
  ttl: { AccessToken: ACCESS_TTL, ClientCredentials: ACCESS_TTL, IdToken: 3600, RefreshToken: 86400, DeviceCode: 600, Interaction: 600, Session: 86400, Grant: 86400, AuthorizationCode: 60, BackchannelAuthenticationRequest: 120 },
  enabledJWA: { dPoPSigningAlgValues: ['ES256', 'EdDSA', 'RS256', 'PS256'] },
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    claimsParameter: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    requestObjects: { enabled: true },
    fapi: { enabled: true, profile: (ctx, client) => (client?.clientId === 'bank-app' ? '2.0' : undefined) },
    richAuthorizationRequests: {
      enabled: true,
      types: { payment: { validate: (ctx, detail) => {
        if (typeof detail.amount !== 'string') throw new errors.InvalidAuthorizationDetails('a payment has an amount');
      } } },
      authorizationDetailsForGrantSource: (ctx) => JSON.parse(ctx.oidc.params.authorization_details),
      authorizationDetailsForAccessToken: (ctx, token, source) => source.rar,
      authorizationDetailsForIntrospection: (ctx, token) => token.rar,
    },
    dPoP: {
      enabled: true,
      nonceSecret: crypto.randomBytes(32),
      requireNonce: (ctx) => env.DPOP_NONCE === '1' || ctx.oidc.client?.clientId === 'native-nonce',
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, oneOf) => oneOf ?? audienceParam(ctx),
      useGrantedResource: () => env.STRICT_RESOURCE !== '1',
      getResourceServerInfo: (ctx, indicator) => {
        const api = APIS[indicator];
        if (!api) throw new errors.InvalidTarget();
        return { audience: indicator, accessTokenTTL: ACCESS_TTL, jwt: { sign: { alg: 'RS256' } }, ...api };
      },
    },
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (ctx, hint) => hint,
      processLoginHintToken: () => undefined,
      verifyUserCode: () => {},
      validateRequestContext: () => {},
      // user approves after 2 s ("deny-*" accounts refuse)
      triggerAuthenticationDevice: (ctx, request, account, client) => {
        const { params } = ctx.oidc;
        setTimeout(async () => {
          if (account.accountId.startsWith('deny')) return provider.backchannelResult(request, new errors.AccessDenied('end-user refused'));
          const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
          grant.addOIDCScope(params.scope);
          await grant.save();
          return provider.backchannelResult(request, grant, { acr: undefined, authTime: Math.floor(Date.now() / 1000) });
        }, 2000);
      },
    },
    ...(tls ? { mTLS: {
      enabled: true, certificateBoundAccessTokens: true, tlsClientAuth: true, selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, prop, expected) => prop === 'tls_client_auth_subject_dn'
        && ctx.socket.getPeerX509Certificate()?.subject === expected,
    } } : {}),
  },
});
if (env.DEBUG_ERRORS) {
  for (const e of ['server_error', 'grant.error', 'authorization.error', 'pushed_authorization_request.error', 'device_authorization.error', 'backchannel_authentication.error', 'userinfo.error']) {
    provider.on(e, (ctx, err) => console.error(e, err.message, err.error_description ?? '', err.error_detail ?? '', err.cause ?? ''));
  }
}

const handler = provider.callback();
server.on('request', handler);
if (sideDoor) sideDoor.on('request', handler);
console.log(`ready ${ISSUER}`);
process.stdin.resume().on('end', () => process.exit(0));
