export namespace bindings {
	
	export interface Outcome {
	    state: string;
	    message: string;
	    credential: string;
	}

}

