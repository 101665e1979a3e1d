import type { LiveDetail, LiveSample, LiveSlow, LiveWelcome } from "../live-message.js";

export type StreamState = "connecting" | "live" | "paused" | "lost";

export interface StreamObserver {
  state(state: StreamState): void;
  welcome(welcome: LiveWelcome): void;
  sample(sample: LiveSample): void;
  detail(detail: LiveDetail): void;
  slow(slow: LiveSlow): void;
}

const RETRY_MS = 3000;

/**
 * The server's messages, for as long as somebody looks: a hidden tab has no stream, and is told what it missed when it
 * is shown again.
 */
export class LiveStream {
  readonly #observer: StreamObserver;
  #source: EventSource | undefined;
  #retry: number | undefined;
  #isPaused = false;

  constructor(observer: StreamObserver) {
    this.#observer = observer;
    document.addEventListener("visibilitychange", () => this.#follow());
    this.#follow();
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#follow();
  }

  #follow(): void {
    const wanted = !this.#isPaused && document.visibilityState === "visible";
    if (wanted && this.#source === undefined) this.#open();
    if (!wanted) {
      this.#close();
      this.#observer.state("paused");
    }
  }

  #open(): void {
    this.#observer.state("connecting");
    const source = new EventSource("/events");
    this.#source = source;
    const listen = <T>(event: string, take: (content: T) => void): void =>
      source.addEventListener(event, (message: MessageEvent<string>) => take(JSON.parse(message.data) as T));
    listen<LiveWelcome>("welcome", (welcome) => {
      this.#observer.state("live");
      this.#observer.welcome(welcome);
    });
    listen<LiveSample>("sample", (sample) => this.#observer.sample(sample));
    listen<LiveDetail>("detail", (detail) => this.#observer.detail(detail));
    listen<LiveSlow>("slow", (slow) => this.#observer.slow(slow));
    source.addEventListener("error", () => {
      // The browser's own retry gives up for good after an answer that is no stream, such as 503 during a deployment.
      this.#close();
      this.#observer.state("lost");
      this.#retry = window.setTimeout(() => this.#follow(), RETRY_MS);
    });
  }

  #close(): void {
    window.clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }
}
