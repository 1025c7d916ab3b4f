/** Kept equal to package.json by a test: reading that file would depend on where the code was bundled to. */
export const VERSION = "0.1.0";
export const TOOL = `cdk-pg-migrate ${VERSION}`;
