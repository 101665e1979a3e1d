/** Why a configuration could not be read, for whoever named it. */
export function whyUnreadable(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : code;
  return `the configuration ${path} cannot be read: ${why}`;
}
