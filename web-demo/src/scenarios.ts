/** The scenarios that the project keeps as files, by name; each is fetched when it is chosen. */

const files = import.meta.glob<string>("../../engine-core/norikv-sim/scenarios/*.toml", {
  query: "?url",
  import: "default",
  eager: true,
});

/** Where each lies. */
const addresses = new Map(
  Object.entries(files).map(([path, address]) => [
    path.replace(/^.*\/|\.toml$/g, ""),
    new URL(address, location.href).href,
  ]),
);

export const scenarioNames: readonly string[] = [...addresses.keys()].sort();

/**
 * The bytes of a scenario or a trace: of one of the names, or at an address, which has a dot or a
 * slash.
 *
 * @throws When there is nothing, with the reason.
 */
export async function fetchRun(name: string): Promise<ArrayBuffer> {
  const known = addresses.get(name);
  if (known === undefined && !/[./]/.test(name)) {
    throw new Error(`there is no scenario of this name, but: ${scenarioNames.join(", ")}`);
  }
  const address = known ?? new URL(name, location.href).href;
  const response = await fetch(address);
  if (!response.ok) {
    throw new Error(`${address} answered ${response.status} ${response.statusText}`.trim());
  }
  return response.arrayBuffer();
}
