import { Kind, type Request } from "../request.js";

/** What is written together in a dialog, and can be taken back by itself, each. */
export type Parts = readonly (readonly Request[])[];

/** What was refused together is first divided into so many each: one that is unwanted then costs few others a third turn. */
const FEW_TOGETHER = 8;

/**
 * What is to be taken back together when it is refused again; one part: it cannot be divided. Those of one key stay
 * together: one that fails and is tried again must not come after the next.
 */
export function dividedParts(requests: readonly Request[]): Parts {
  const ofKeys = new Map<unknown, Request[]>();
  for (const request of requests) {
    const owner = request.kind === Kind.transaction ? request : request.key;
    const sharers = ofKeys.get(owner);
    if (sharers === undefined) ofKeys.set(owner, [request]);
    else sharers.push(request);
  }
  const most = ofKeys.size > FEW_TOGETHER ? FEW_TOGETHER : 1;
  const groups = [...ofKeys.values()];
  return Array.from({ length: Math.ceil(groups.length / most) }, (_, part) =>
    groups.slice(part * most, (part + 1) * most).flat(),
  );
}
