/** That of package.json, which a bundle of a service does not have beside it. */
export const VERSION = "0.1.0";
