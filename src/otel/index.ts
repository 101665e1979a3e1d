export { type OpenTelemetryOptions, subscribeOpenTelemetry } from "./subscriber.js";
