/** The tables' names as statements write them. */
export interface TableNames {
  readonly entries: string;
  readonly versions: string;
  /** The server processes over which engines hear of changes. */
  readonly listeners: string;
  /** The function that tells them. */
  readonly tellChanges: string;
}

export function tableNames(schema: string | undefined): TableNames {
  const place = schema === undefined ? "" : `"${schema}".`;
  return {
    entries: `${place}millrace_entries`,
    versions: `${place}millrace_schema`,
    listeners: `${place}millrace_listeners`,
    tellChanges: `${place}millrace_tell_changes`,
  };
}
