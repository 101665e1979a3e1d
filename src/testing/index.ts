export { type DelayProxy, type DelayProxyOptions, startDelayProxy } from "./delay-proxy.js";
export { findOnPath, findRedisServer, type RedisExecutable, type RedisKind } from "./find-redis-server.js";
export { freePort } from "./free-port.js";
export { type RedisServer, type RedisServerOptions, startRedis } from "./redis-server.js";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.js";
export { type UsedRedis, useRedis } from "./use-redis.js";
